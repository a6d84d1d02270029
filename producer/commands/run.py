"""`producer run`."""

import os
import shlex
import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from checkpointing.errors import InputError
from checkpointing.models import Checkpoint, Status
from producer import completion, words
from producer.commands import options
from producer.commands.ingest import say_ingested
from producer.commands.options import AllowUnpriced, Budget, NewScanId, Password, Stage, Strict, Through, Title
from producer.commands.waiting import INTERRUPTED, follow_plans, insist_on_success
from producer.console import notes, results
from producer.dearer import dearer_line, excess_usd, surprises_of
from producer.doubts import doubt_lines
from producer.enqueue import enqueue, plan, requests_through
from producer.ingest import ingest
from producer.paying import insist_on_means, set_budget
from producer.request import Plan, Request
from producer.run import Backstage, ParentWatch, announce_broker, interruptible, only_run
from producer.summary import Ended, summarise
from worker import flow
from worker.registry import stage_asks_model
from worker.scan import is_scan_folder, list_scans
from worker.settings import Settings, load_settings
from worker.suggestions import closest
from worker.workshop import Workshop


def run_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE_OR_SCAN_ID",
            help="A PDF, a folder, or a scan's id.",
            # Where none begins so, the shell offers files.
            autocompletion=completion.scan_ids,
        ),
    ],
    workers: Annotated[int, typer.Option(min=1, max=256, help="Pages worked on at once.")] = os.cpu_count() or 1,
    stage: Stage = "ocr",
    through: Through = None,
    budget: Budget = None,
    allow_unpriced: AllowUnpriced = False,
    scan_id: NewScanId = None,
    title: Title = None,
    password: Password = None,
    strict: Strict = False,
) -> None:
    """Do a whole book on this machine, with nothing to install or start. Run it again to resume.

    Example: `producer run moby-dick.pdf --workers 4`

    Example: `producer run moby-dick.pdf --through structure --budget 5.00`
    """
    settings = load_settings()
    requests: list[Request] = []
    again = f"producer run {shlex.quote(source)}" + (f" --through {through}" if through else "")
    try:
        with interruptible():
            workshop = options.open_workshop(settings)
            for name in _stages(workshop, stage, through):
                insist_on_means(workshop, name, allow_unpriced=allow_unpriced)
            found_id = _ingest_or_find(workshop, source, scan_id, title, password)
            requests = requests_through(workshop, Request(found_id, stage, allow_unpriced=allow_unpriced), through)
            set_budget(workshop, found_id, None if budget is None else Decimal(str(budget)))
            plans = [plan(workshop, request) for request in requests]
            if all(found.status is Status.COMPLETED and not found.remaining for found in plans):
                _say_nothing_to_do(plans)
                insist_on_success([_checkpoint(workshop, request) for request in requests], strict=strict)
                return
            with only_run(settings.root):
                checkpoints = _run(settings, requests, workers)
    except KeyboardInterrupt:
        notes.print(f"Stopped{_how_far(settings, requests)}. To go on: {again}")
        raise typer.Exit(INTERRUPTED) from None
    insist_on_success(checkpoints, strict=strict)


def _say_nothing_to_do(plans: list[Plan]) -> None:
    for found in plans:
        results.print(words.plan_result(found, dry_run=False))
        for line in doubt_lines(found.doubtful):
            results.print(f"{found.scan_id}/{found.stage}: {line}")


def _checkpoint(workshop: Workshop, request: Request) -> Checkpoint:
    return workshop.checkpoint_file(request.scan_id, request.stage).read_or_salvage()[0]


def _stages(workshop: Workshop, first: str, last: str | None) -> list[str]:
    return [first] if last is None else flow.through(workshop, first, last)


def _run(settings: Settings, requests: list[Request], workers: int) -> list[Checkpoint]:
    """Start everything, work, say what was achieved, and stop everything however it ends."""
    parent = ParentWatch()
    started = time.monotonic()
    asking = [request.stage for request in requests if stage_asks_model(request.stage)]
    notes.print(f"Starting a broker and {workers} workers ...")
    backstage = Backstage(settings.root, workers, asking)
    try:
        announce_broker(settings.root, backstage.redis_url)
        workshop = options.open_workshop(settings.model_copy(update={"redis_url": backstage.redis_url}))
        plans = [enqueue(workshop, request) for request in requests]
        for made in plans:
            words.say_plan(notes, made)

        def watch() -> None:
            parent.check()
            backstage.check()

        checkpoints = follow_plans(
            workshop, plans, watch, "Ctrl-C stops everything; the pages in hand are finished."
        )
        seconds = time.monotonic() - started
    except KeyboardInterrupt:
        notes.print("Stopping; the pages in hand are finished first ...")
        raise
    finally:
        backstage.stop()
    ended = [
        Ended(checkpoint, workshop.outputs(made.scan_id, made.stage), made.completed)
        for made, checkpoint in zip(plans, checkpoints, strict=False)
    ]
    for line in summarise(ended, seconds):
        results.print(line)
    for request in requests:
        if dearer := surprises_of(workshop, request.scan_id, request.stage):
            results.print(dearer_line(request.scan_id, request.stage, len(dearer), excess_usd(dearer)))
    return checkpoints


def _how_far(settings: Settings, requests: list[Request]) -> str:
    """How many pages are complete, once it is known which book it is about."""
    workshop = options.open_workshop(settings)
    files = [workshop.checkpoint_file(request.scan_id, request.stage) for request in requests]
    stood = [file.read_or_salvage()[0] for file in files]
    parts = [f"{each.stage}: {each.summary()}" for each in stood if each.total_pages]
    if len(requests) == 1 and parts:
        return f": {stood[0].summary()}"
    return f" ({'; '.join(parts)})" if parts else ""


def _ingest_or_find(
    workshop: Workshop, source: str, scan_id: str | None, title: str | None, password: str | None
) -> str:
    """The scan's id; a path is ingested first. A scan of that very id goes before a file of that name."""
    name = _name_in(workshop.root, source)
    if name is not None:
        return workshop.metadata(name).scan_id
    if os.sep not in source and not Path(source).exists():
        close = closest(source, list_scans(workshop.root))
        if close:
            raise InputError(f"{source} is no file here, and there is no such scan; did you mean {close!r}?")
    done = ingest(Path(source), workshop.root, scan_id=scan_id, title=title, password=password)
    say_ingested(done)
    return done.metadata.scan_id


def _name_in(root: Path, source: str) -> str | None:
    """The id of the scan that a source names, by its id or as the folder that it is; None for a new book."""
    path = root / source if os.sep not in source else Path(source)
    in_root = path.resolve().parent == root.resolve()
    return path.resolve().name if in_root and is_scan_folder(path) else None
