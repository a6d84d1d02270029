"""`producer cancel`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from checkpointing.plurals import counted
from checkpointing.refs import StageRef, check_scan_id
from producer.commands import completion
from producer.commands.options import AsJson, ScanId
from producer.open_deployment import open_deployment
from producer.page_ranges import show_pages
from producer.terminal.console import notes, print_json, results
from worker.config.settings import load_settings

if TYPE_CHECKING:
    from producer.planning.cancel import Cancelled
    from worker.deployment import Deployment


def cancel_command(
    scan_id: ScanId,
    stage: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE", help="This stage only; default all under way.", autocompletion=completion.stages
        ),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Stop the pages in hand too; default: they finish.")] = False,
    as_json: AsJson = False,
) -> None:
    """Call off what was enqueued. Complete pages stay complete; `producer enqueue` goes on from there.

    Example: `producer cancel moby-dick --now`
    """
    deployment = open_deployment(load_settings())
    scan_id = check_scan_id(scan_id)

    cancelled: dict[str, Cancelled] = {}

    def report(name: str, done: Cancelled) -> None:
        cancelled[name] = done
        if not as_json:
            dropped = counted(done.dropped, "waiting page")
            results.print(f"{scan_id}/{name}: cancelled with {done.summary}; {dropped} dropped")
        if done.running:
            notes.print(_about_running(name, done, now=now))

    complete = False
    try:
        _cancel(deployment, scan_id, stage, report, now=now)
        complete = True
    finally:
        # Of several stages some may be cancelled before one fails.
        if as_json and (complete or cancelled):
            print_json(_as_json(scan_id, cancelled, _still_open(deployment, scan_id)))
    if not cancelled and not as_json:
        results.print(f"{scan_id if stage is None else f'{scan_id}/{stage}'}: nothing is under way")


def _cancel(
    deployment: Deployment,
    scan_id: str,
    stage: str | None,
    report: Callable[[str, Cancelled], None],
    *,
    now: bool,
) -> None:
    from producer.planning.cancel import cancel, cancel_all

    if stage is None:
        if not cancel_all(deployment, scan_id, report, now=now):
            return
        notes.print(f"No other stage of {scan_id} is under way; `producer enqueue {scan_id}` goes on from there.")
        return
    done = cancel(deployment, StageRef(scan_id, stage), now=now)
    if done is None:
        return
    report(stage, done)
    if others := _still_open(deployment, scan_id):
        notes.print(f"Still under way: {', '.join(others)}; `producer cancel {scan_id}` cancels all")


def _as_json(scan_id: str, cancelled: dict[str, Cancelled], still_open: list[str]) -> dict[str, Any]:
    stages = {
        stage: {
            "summary": done.summary,
            "dropped": done.dropped,
            "running_pages": done.running,
            "stopped": done.stopped,
        }
        for stage, done in cancelled.items()
    }
    return {"scan_id": scan_id, "cancelled": stages, "still_under_way": still_open}


def _still_open(deployment: Deployment, scan_id: str) -> list[str]:
    """Return the stages of a scan that are under way."""
    return [ref.stage for ref in deployment.store.open_stages.all() if ref.scan_id == scan_id]


def _about_running(stage: str, done: Cancelled, *, now: bool) -> str:
    were = counted(len(done.running), "page was", "pages were")
    pages = f"{stage}: {were} in hand ({show_pages(done.running)})"
    if not now:
        return f"{pages}; work on them is finished and counted."
    stopped = counted(done.stopped, "was stopped", "were stopped")
    return f"{pages}; {stopped}. What runs in threads cannot be, and finishes."
