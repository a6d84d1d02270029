"""The command line. Every command is a few lines over functions that can be imported.

stdout is for results, stderr for progress and logs. Exit codes are those of `checkpointing.errors`.
"""

import json
import os
import shlex
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from checkpointing.errors import LeafmarkError, StageFailedError, in_one_line
from checkpointing.models import Checkpoint, Status
from producer import words
from producer.enqueue import Plan, Request, enqueue, plan
from producer.follow import follow, progress_view
from producer.ingest import Ingested, ingest
from producer.pages import parse_pages
from producer.run import Backstage, ParentWatch, announce_broker, interruptible, only_run
from producer.stall import StallWatch
from producer.status import all_scans, scan_status
from producer.summary import summarise
from worker.app import make_app
from worker.scan import ScanFolder, check_scan_id
from worker.settings import Settings, load_settings
from worker.workshop import Workshop

_INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Leafmark: scanned books in, checked pages out. Resumes after anything, never does a page twice.",
    epilog="`--debug`, anywhere, shows the traceback of an error. Exit codes are in the README.",
)
# In a pipe nothing is cut to the width of a terminal that is not there.
results = Console(
    soft_wrap=True, highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200
)
notes = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)

ScanId = Annotated[str, typer.Argument(metavar="SCAN_ID", help="Id of the scan; `producer status` lists them.")]
Stage = Annotated[str, typer.Option(help="Stage of the pipeline.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Title = Annotated[str | None, typer.Option(help="Title of the book; default the source's name.")]
NewScanId = Annotated[str | None, typer.Option("--scan-id", help="Id for the scan; default made from the name.")]
Password = Annotated[str | None, typer.Option(help="Password of an encrypted PDF.")]


@app.command("ingest")
def ingest_command(
    source: Annotated[Path, typer.Argument(help="A PDF, a folder of page images, or one image.")],
    scan_id: NewScanId = None,
    title: Title = None,
    password: Password = None,
) -> None:
    """Copy a scanned book into the storage root. Prints its scan id.

    Example: `producer ingest moby-dick.pdf --title "Moby-Dick"`
    """
    done = ingest(source, load_settings().root, scan_id=scan_id, title=title, password=password)
    _say_ingested(done)
    results.print(done.metadata.scan_id)


@app.command("enqueue")
def enqueue_command(
    scan_id: ScanId,
    stage: Stage = "ocr",
    start_page: Annotated[int, typer.Option(min=1, help="First page.")] = 1,
    end_page: Annotated[int | None, typer.Option(min=1, help="Last page, included; default the last.")] = None,
    no_resume: Annotated[bool, typer.Option("--no-resume", help="Do every page in range again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")] = False,
    as_json: AsJson = False,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until the stage ends.")] = False,
) -> None:
    """Enqueue the pages that still need work. Say it again at any time: it does only what is left.

    Example: `producer enqueue moby-dick --start-page 1 --end-page 50 --wait`
    """
    request = Request(check_scan_id(scan_id), stage, start_page, end_page, resume=not no_resume)
    _enqueue(_workshop(load_settings()), request, as_json=as_json, wait=wait, dry_run=dry_run)


@app.command("retry")
def retry_command(
    scan_id: ScanId,
    stage: Stage = "ocr",
    pages: Annotated[str | None, typer.Option(help="Which pages, like 3,7-9; default all in quarantine.")] = None,
    as_json: AsJson = False,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until the stage ends.")] = False,
) -> None:
    """Give quarantined pages new attempts.

    Example: `producer retry moby-dick --pages 3,7-9`
    """
    workshop = _workshop(load_settings())
    whole_book = plan(workshop, Request(check_scan_id(scan_id), stage))
    quarantined = frozenset(failed.page for failed in whole_book.quarantined)
    request = Request(scan_id, stage, release=parse_pages(pages) if pages else quarantined)
    chosen = quarantined.intersection(request.pages(whole_book.total_pages))
    if not chosen:
        results.print(f"{scan_id}/{stage}: none of these pages is in quarantine, nothing to do")
        return
    _enqueue(workshop, replace(request, release=chosen), as_json=as_json, wait=wait)


@app.command("status")
def status_command(
    scan_id: Annotated[str | None, typer.Argument(metavar="[SCAN_ID]", help="Default: all scans.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show where scans stand. Reads files only; works with Redis down.

    Example: `producer status moby-dick --json`
    """
    workshop = _workshop(load_settings())
    if scan_id is None:
        scans = all_scans(workshop, on_broken=lambda error: notes.print(f"producer: {error}"))
    else:
        scans = [scan_status(workshop, check_scan_id(scan_id))]
    if as_json:
        forms = [scan.as_json() for scan in scans]
        _print_json(forms if scan_id is None else forms[0])
    elif not scans:
        notes.print(f"There are no scans under {workshop.root}; `producer ingest SOURCE` makes one.")
    else:
        results.print(words.status_table(scans))
        words.say_failures(results, scans)


@app.command("run")
def run_command(
    source: Annotated[str, typer.Argument(metavar="SOURCE_OR_SCAN_ID", help="A PDF, a folder, or a scan's id.")],
    workers: Annotated[int, typer.Option(min=1, max=256, help="Pages worked on at once.")] = os.cpu_count() or 1,
    stage: Stage = "ocr",
    scan_id: NewScanId = None,
    title: Title = None,
    password: Password = None,
) -> None:
    """Do a whole book on this machine, with nothing to install or start. Run it again to resume.

    Example: `producer run moby-dick.pdf --workers 4`
    """
    settings = load_settings()
    request: Request | None = None
    try:
        with interruptible():
            request = Request(_ingest_or_find(source, settings.root, scan_id, title, password), stage)
            found = plan(_workshop(settings), request)
            if found.status is Status.COMPLETED and not found.remaining:
                results.print(words.plan_result(found, dry_run=False))
                return
            with only_run(settings.root):
                checkpoint = _run(settings, request, workers)
    except KeyboardInterrupt:
        notes.print(f"Stopped{_how_far(settings, request)}. To go on: producer run {shlex.quote(source)}")
        raise typer.Exit(_INTERRUPTED) from None
    _insist_on_success(checkpoint)


def _run(settings: Settings, request: Request, workers: int) -> Checkpoint:
    """Start everything, work, say what was achieved, and stop everything however it ends."""
    parent = ParentWatch()
    started = time.monotonic()
    notes.print(f"Starting a broker and {workers} workers ...")
    backstage = Backstage(settings.root, workers)
    try:
        announce_broker(settings.root, backstage.redis_url)
        workshop = _workshop(settings.model_copy(update={"redis_url": backstage.redis_url}))
        made = enqueue(workshop, request)
        words.say_plan(notes, made)

        def watch() -> None:
            parent.check()
            backstage.check()

        checkpoint = _follow(workshop, made, watch)
        seconds = time.monotonic() - started
    except KeyboardInterrupt:
        notes.print("Stopping; the pages in hand are finished first ...")
        raise
    finally:
        backstage.stop()
    for line in summarise(checkpoint, workshop.outputs(made.scan_id, made.stage), made.completed, seconds):
        results.print(line)
    return checkpoint


def _how_far(settings: Settings, request: Request | None) -> str:
    """How many pages are complete, once it is known which book it is about."""
    if request is None:
        return ""
    checkpoint, _ = _workshop(settings).checkpoint_file(request.scan_id, request.stage).read_or_salvage()
    return f": {checkpoint.summary()}" if checkpoint.total_pages else ""


def _ingest_or_find(source: str, root: Path, scan_id: str | None, title: str | None, password: str | None) -> str:
    """The scan's id; a path is ingested first. A scan of that very id goes before a file of that name."""
    if os.sep not in source and (root / source / "metadata.json").is_file():
        return ScanFolder(root, source).read_metadata().scan_id
    done = ingest(Path(source), root, scan_id=scan_id, title=title, password=password)
    _say_ingested(done)
    return done.metadata.scan_id


def _enqueue(workshop: Workshop, request: Request, *, as_json: bool, wait: bool, dry_run: bool = False) -> None:
    made = plan(workshop, request) if dry_run else enqueue(workshop, request)
    words.say_plan(notes, made)
    if as_json:
        _print_json(words.plan_json(made, dry_run=dry_run))
    else:
        results.print(words.plan_result(made, dry_run=dry_run))
    if wait and not dry_run:
        _wait(workshop, made)


def _wait(workshop: Workshop, made: Plan) -> None:
    try:
        with interruptible():
            checkpoint = _follow(workshop, made, StallWatch(workshop.count_workers, notes).look)
    except KeyboardInterrupt:
        notes.print(f"Stopped watching; the workers go on. To watch again: producer enqueue {made.scan_id} --wait")
        raise typer.Exit(_INTERRUPTED) from None
    _insist_on_success(checkpoint)


def _follow(workshop: Workshop, made: Plan, on_poll: Any) -> Checkpoint:
    file = workshop.checkpoint_file(made.scan_id, made.stage)
    with progress_view(notes, f"{made.scan_id}/{made.stage}") as view:
        return follow(file, frozenset(made.wanted), view, on_poll)


def _insist_on_success(checkpoint: Checkpoint) -> None:
    """Say so where a stage ended badly.

    Raises:
        StageFailedError: it did.
    """
    if checkpoint.status is Status.FAILED:
        raise StageFailedError(
            f"{checkpoint.scan_id}/{checkpoint.stage}: {checkpoint.error}; "
            f"`producer status {checkpoint.scan_id}` gives the reasons"
        )


def _say_ingested(done: Ingested) -> None:
    what = "Ingested" if done.created else "Already ingested:"
    notes.print(f"{what} '{done.metadata.title}', {done.metadata.total_pages} pages, as {done.metadata.scan_id}")
    if done.ignored_files:
        notes.print(f"{done.ignored_files} files in the folder are no page images and were left out.")
    if done.unreadable_files:
        notes.print(f"{done.unreadable_files} page images do not open; their pages will be quarantined.")
    if done.decrypted:
        notes.print("The PDF is stored without its password, so that workers can read it.")


def _workshop(settings: Settings) -> Workshop:
    return Workshop(settings, make_app(settings))


def _print_json(form: Any) -> None:
    results.print(json.dumps(form, indent=2))


def main() -> None:
    """Entry point: runs a command and turns errors into one line and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(arguments)
    except LeafmarkError as error:
        _give_up(f"producer: {error}", error.exit_code, debug=debug)
    except Exception as error:  # noqa: BLE001  # whatever nobody foresaw is said in one line as well
        what = f"producer: unexpected error, please report it: {type(error).__name__}: {error} (see --debug)"
        _give_up(what, LeafmarkError.exit_code, debug=debug)


def _give_up(message: str, exit_code: int, *, debug: bool) -> NoReturn:
    """End with one line for a person; with `--debug` after the traceback of the error being handled."""
    if debug:
        traceback.print_exc()
    notes.print(in_one_line(message, most=2000))
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
