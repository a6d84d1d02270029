"""`producer run`."""

import os
import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from checkpointing.models import Checkpoint, Status
from producer import words
from producer.commands import options
from producer.commands.ingest import say_ingested
from producer.commands.options import NewScanId, Password, Stage, Title
from producer.commands.waiting import INTERRUPTED, follow_plan, insist_on_success
from producer.console import notes, results
from producer.enqueue import Request, enqueue, plan
from producer.ingest import ingest
from producer.run import Backstage, ParentWatch, announce_broker, interruptible, only_run
from producer.summary import summarise
from worker.scan import ScanFolder
from worker.settings import Settings, load_settings


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
            found = plan(options.open_workshop(settings), request)
            if found.status is Status.COMPLETED and not found.remaining:
                results.print(words.plan_result(found, dry_run=False))
                return
            with only_run(settings.root):
                checkpoint = _run(settings, request, workers)
    except KeyboardInterrupt:
        notes.print(f"Stopped{_how_far(settings, request)}. To go on: producer run {shlex.quote(source)}")
        raise typer.Exit(INTERRUPTED) from None
    insist_on_success(checkpoint)


def _run(settings: Settings, request: Request, workers: int) -> Checkpoint:
    """Start everything, work, say what was achieved, and stop everything however it ends."""
    parent = ParentWatch()
    started = time.monotonic()
    notes.print(f"Starting a broker and {workers} workers ...")
    backstage = Backstage(settings.root, workers)
    try:
        announce_broker(settings.root, backstage.redis_url)
        workshop = options.open_workshop(settings.model_copy(update={"redis_url": backstage.redis_url}))
        made = enqueue(workshop, request)
        words.say_plan(notes, made)

        def watch() -> None:
            parent.check()
            backstage.check()

        checkpoint = follow_plan(workshop, made, watch)
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
    file = options.open_workshop(settings).checkpoint_file(request.scan_id, request.stage)
    checkpoint, _ = file.read_or_salvage()
    return f": {checkpoint.summary()}" if checkpoint.total_pages else ""


def _ingest_or_find(source: str, root: Path, scan_id: str | None, title: str | None, password: str | None) -> str:
    """The scan's id; a path is ingested first. A scan of that very id goes before a file of that name."""
    if os.sep not in source and (root / source / "metadata.json").is_file():
        return ScanFolder(root, source).read_metadata().scan_id
    done = ingest(Path(source), root, scan_id=scan_id, title=title, password=password)
    say_ingested(done)
    return done.metadata.scan_id
