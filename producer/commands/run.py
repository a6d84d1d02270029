"""`producer run`."""

import os
from typing import Annotated

import typer

from producer.commands import completion, options
from producer.ingest.books import check_names, given_password
from producer.ingest.profile_options import settings_with
from producer.page_ranges import parse_pages
from producer.program import INTERRUPTED
from producer.run.book_run import BookRun, RunOptions
from producer.run.command_lines import command_again
from producer.run.interrupts import interruptible
from producer.run.waiting import check_success
from producer.terminal.console import notes


def run_command(
    context: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE_OR_SCAN_ID...",
            help="PDFs, page images, folders of page images, or scan ids; one book each.",
            # The shell offers files if no scan id matches.
            autocompletion=completion.scan_ids,
        ),
    ],
    workers: Annotated[
        int, typer.Option(min=1, max=256, metavar="N", help="Number of pages processed at once.")
    ] = os.cpu_count() or 1,
    stage: options.Stage = "ocr",
    through: options.Through = None,
    pages: options.Pages = None,
    budget: options.Budget = None,
    allow_unpriced: options.AllowUnpriced = False,
    scan_id: options.NewScanId = None,
    title: options.Title = None,
    password: options.Password = None,
    dpi: options.Dpi = None,
    lang: options.Lang = None,
    typeface: options.Typeface = None,
    engine: options.Engine = None,
    rotate: options.Rotate = None,
    deskew: options.Deskew = None,
    crop: options.Crop = None,
    spreads: options.Spreads = None,
    as_json: options.AsJson = False,
    allow_doubtful: options.AllowDoubtful = False,
) -> None:
    """Process books on this machine. Broker and workers are included; run it again to resume.

    All books, options and settings are checked before the first page is processed. If several stages end with an
    error, the exit code is that of the first paused stage, or else of the first failed one.

    --dpi, --lang, --typeface, --engine, --rotate, --deskew and --crop are recorded in the profile of a new book.
    For a book that was ingested before, they apply to this run only, and the book's profile takes precedence.

    Pictures of two pages are split when a book is new; see `producer ingest --help`.

    Example: `producer run moby-dick.pdf --workers 4`

    Example: `producer run moby-dick.pdf --through structure --budget 5.00`
    """
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
    only = frozenset[int]() if pages is None else parse_pages(pages)
    check_names(sources, scan_id, title)
    password = given_password(password)
    wanted = RunOptions(
        stage, through, only, budget, allow_unpriced, scan_id, title, password, workers, as_json=as_json
    )
    run = BookRun(settings, profile, wanted)
    try:
        with interruptible():
            checkpoints = run.process(sources)
    except KeyboardInterrupt:
        again = command_again(context, run.scan_ids or sources, run.recorded)
        notes.print(f"Stopped{run.progress()}. To continue: {again}")
        raise typer.Exit(INTERRUPTED) from None
    check_success(checkpoints, allow_doubtful=allow_doubtful)
