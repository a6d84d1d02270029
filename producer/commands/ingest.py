"""`producer ingest`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from checkpointing.errors import InputError, LeafmarkError
from checkpointing.plurals import counted
from producer.commands.options import AsJson, Dpi, Engine, Lang, NewScanId, Password, Title
from producer.terminal.console import notes, print_json, results
from worker.pages.scan import ScanFolder

if TYPE_CHECKING:
    from producer.ingest.ingest_source import Ingested


def ingest_command(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="PDFs, folders of page images, or single images: each is a book."),
    ],
    scan_id: NewScanId = None,
    title: Title = None,
    password: Password = None,
    dpi: Dpi = None,
    lang: Lang = None,
    engine: Engine = None,
    as_json: AsJson = False,
) -> None:
    """Copy scanned books into the storage root. Prints their scan ids.

    How the books are read (`--dpi`, `--lang`, `--engine`) is kept with them and goes before the settings of the
    workers. For a book that was ingested before, it is changed: pages that were read otherwise are stale then.

    Of several sources, one that cannot be used is named and left out, and the exit code is that of this error.

    Example: `producer ingest moby-dick.pdf --title "Moby-Dick"`

    Example: `producer ingest shelf/*.pdf`

    Example: `producer ingest faust.pdf --engine tesseract --lang deu+frk`
    """
    from producer.ingest.books import check_names, given_password, look_at_source, take_in_book
    from producer.ingest.profile_options import change_profile, language_without_effect, settings_with

    check_names(sources, scan_id, title)
    password = given_password(password)
    settings, profile = settings_with(dpi, lang, engine)
    root = settings.root
    done: list[Ingested] = []
    failed: dict[Path, InputError] = {}
    for source in sources:
        try:
            made = take_in_book(root, look_at_source(source, password), scan_id, title, profile)
            if not made.created and not profile.is_empty:
                scan = ScanFolder(root, made.metadata.scan_id)
                made = replace(made, metadata=change_profile(scan, profile))
        except InputError as error:
            if len(sources) == 1:
                raise
            notes.print(f"producer: {error}")
            failed[source] = error
            continue
        done.append(made)
        say_ingested(made)
        if line := language_without_effect(made.metadata.scan_id, settings, made.metadata.profile, lang):
            notes.print(line)
        if not as_json:
            results.print(made.metadata.scan_id)
    if as_json:
        print_json(_as_json(done, failed) if len(sources) > 1 else ingested_json(done[0]))
    _check_all(failed, len(sources))


def say_ingested(done: Ingested) -> None:
    """What came of it, and what a person should know about the source."""
    what = "Ingested" if done.created else "Already ingested:"
    pages = counted(done.metadata.total_pages, "page")
    notes.print(f"{what} '{done.metadata.title}', {pages}, as {done.metadata.scan_id}")
    if not done.metadata.profile.is_empty:
        notes.print(f"It is read by its profile: {done.metadata.profile.words()}.")
    if done.ignored_files:
        others = counted(
            done.ignored_files,
            "entry of the folder is not a page image",
            "entries of the folder are not page images",
        )
        notes.print(f"{others}; left out.")
    if done.unreadable_files:
        images = counted(
            done.unreadable_files,
            "page image does not open; what it holds",
            "page images do not open; what they hold",
        )
        notes.print(f"{images} will be quarantined.")
    for broken in done.broken_files:
        notes.print(f"{broken}; what follows counts as 1 page, which will be quarantined.")
    if done.decrypted:
        notes.print("The PDF is stored without its password, so that workers can read it.")


def ingested_json(done: Ingested) -> dict[str, Any]:
    """The form that `producer ingest --json` prints for a book."""
    return {
        "scan_id": done.metadata.scan_id,
        "title": done.metadata.title,
        "total_pages": done.metadata.total_pages,
        "created": done.created,
        "ignored_files": done.ignored_files,
        "unreadable_files": done.unreadable_files,
        "broken_files": list(done.broken_files),
        "decrypted": done.decrypted,
        "profile": done.metadata.profile.model_dump(mode="json"),
    }


def _as_json(done: list[Ingested], failed: dict[Path, InputError]) -> dict[str, Any]:
    return {
        "scans": [ingested_json(each) for each in done],
        "failed": [{"source": str(source), "error": str(error)} for source, error in failed.items()],
    }


def _check_all(failed: dict[Path, InputError], sources: int) -> None:
    """End with the exit code of the first source that could not be used, if there is one.

    Raises:
        InputError: there is one.
    """
    if failed:
        error: LeafmarkError = InputError(
            f"{len(failed)} of {sources} sources could not be ingested; the lines above say why"
        )
        error.exit_code = next(iter(failed.values())).exit_code
        raise error
