"""`producer ingest`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from checkpointing.errors import InputError
from producer.commands.options import (
    AsJson,
    Crop,
    Deskew,
    Dpi,
    Engine,
    Lang,
    NewScanId,
    Password,
    Rotate,
    Spreads,
    Title,
    Typeface,
)
from producer.terminal.console import notes, print_json, results
from worker.pages.scan import ScanFolder

if TYPE_CHECKING:
    from producer.ingest.ingest_source import Ingested


def ingest_command(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...", help="PDFs, folders of page images, or single page images; one book each."
        ),
    ],
    scan_id: NewScanId = None,
    title: Title = None,
    password: Password = None,
    dpi: Dpi = None,
    lang: Lang = None,
    typeface: Typeface = None,
    engine: Engine = None,
    rotate: Rotate = None,
    deskew: Deskew = None,
    crop: Crop = None,
    spreads: Spreads = None,
    as_json: AsJson = False,
) -> None:
    """Copy scanned books into the storage root. Prints their scan ids.

    --dpi, --lang, --typeface, --engine, --rotate, --deskew and --crop are recorded in the profile of the book,
    which overrides the settings. For a book that was ingested before, they change its profile, and complete pages
    may become stale; `producer profile` shows it.

    A picture of two pages is split at its gutter; in doubt it stays whole. --spreads no keeps each picture one
    page, --spreads yes also splits where the fold is faint. It applies to new books.

    If one of several sources cannot be used, the others are ingested, and the exit code is that of its error.

    Example: `producer ingest moby-dick.pdf --title "Moby-Dick"`

    Example: `producer ingest shelf/*.pdf`

    Example: `producer ingest faust.pdf --engine auto --lang de --typeface fraktur`
    """
    from producer.ingest.books import check_names, given_password, look_at_source, take_in_book
    from producer.ingest.ingest_output import ingest_json, ingested_json, print_ingested
    from producer.ingest.profile_change import change_profile
    from producer.ingest.profile_options import (
        options_without_effect,
        settings_with,
        spreads_without_effect,
    )
    from producer.ingest.spread_search import SpreadSearch
    from producer.terminal.progress import counting_on

    check_names(sources, scan_id, title)
    password = given_password(password)
    settings, profile = settings_with(
        dpi=dpi,
        lang=lang,
        typeface=typeface,
        engine=engine,
        rotate=rotate,
        deskew=deskew,
        crop=crop,
        spreads=spreads,
    )
    search = SpreadSearch.by(settings, counting_on(notes))
    root = settings.root
    done: list[Ingested] = []
    failed: dict[Path, InputError] = {}
    for source in sources:
        try:
            made = take_in_book(root, look_at_source(source, password), scan_id, title, profile, search)
            if not made.created and not profile.without_spreads.is_empty:
                scan = ScanFolder(root, made.metadata.scan_id)
                made = replace(made, metadata=change_profile(scan, profile.without_spreads))
        except InputError as error:
            if len(sources) == 1:
                raise
            notes.print(f"producer: {error}")
            failed[source] = error
            continue
        done.append(made)
        print_ingested(made)
        for line in (
            options_without_effect(made.metadata, settings, profile),
            "" if made.created else spreads_without_effect(made.metadata, profile),
        ):
            if line:
                notes.print(line)
        if not as_json:
            results.print(made.metadata.scan_id)
    if as_json:
        print_json(ingest_json(done, failed) if len(sources) > 1 else ingested_json(done[0]))
    if failed:
        summary = InputError(f"{len(failed)} of {len(sources)} sources could not be ingested; see the lines above")
        summary.exit_code = next(iter(failed.values())).exit_code
        raise summary
