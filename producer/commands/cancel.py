"""`producer cancel`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from producer.commands import completion
from producer.commands.options import AsJson, ScanId
from producer.open_deployment import open_deployment
from producer.page_ranges import show_pages
from producer.terminal.console import notes, print_json, results

if TYPE_CHECKING:
    from producer.planning.cancel import Cancelled


def cancel_command(
    scan_id: ScanId,
    stage: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE",
            help="Only this stage. Default: all stages with work under way.",
            autocompletion=completion.stages,
        ),
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Stop the pages in hand too. Default: workers finish them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Cancel the work on a scan. Complete pages are kept; `producer enqueue` continues from there.

    Example: `producer cancel moby-dick --now`
    """
    from producer.planning.cancel import cancel, cancel_all, stages_under_way

    deployment = open_deployment()
    cancelled: dict[str, Cancelled] = {}

    def report(name: str, done: Cancelled) -> None:
        cancelled[name] = done
        if not as_json:
            dropped = counted(done.dropped, "waiting page")
            results.print(f"{scan_id}/{name}: cancelled with {done.summary}; {dropped} dropped")
        if done.running_pages:
            notes.print(_about_running(name, done, now=now))

    complete = False
    try:
        if stage is None:
            cancel_all(deployment, scan_id, report, now=now)
        elif done := cancel(deployment, StageRef(scan_id, stage), now=now):
            report(stage, done)
        complete = True
    finally:
        # Some stages may be cancelled before another one fails.
        if as_json and (complete or cancelled):
            stages = {name: asdict(done) for name, done in cancelled.items()}
            still_open = stages_under_way(deployment.store, scan_id)
            print_json({"scan_id": scan_id, "cancelled": stages, "still_under_way": still_open})
    others = stages_under_way(deployment.store, scan_id) if cancelled and stage is not None else []
    if others:
        notes.print(f"Still under way: {', '.join(others)}; `producer cancel {scan_id}` cancels all stages")
    elif cancelled and stage is None:
        notes.print(f"No other stage of {scan_id} is under way; `producer enqueue {scan_id}` continues from there.")
    elif not cancelled and not as_json:
        results.print(f"{scan_id if stage is None else f'{scan_id}/{stage}'}: nothing is under way")


def _about_running(stage: str, done: Cancelled, *, now: bool) -> str:
    were = counted(len(done.running_pages), "page was", "pages were")
    pages = f"{stage}: {were} in hand ({show_pages(done.running_pages)})"
    if not now:
        return f"{pages}; workers finish and count them."
    stopped = counted(done.stopped, "was stopped", "were stopped")
    return f"{pages}; {stopped}. Pages that run in threads cannot be stopped and are finished."
