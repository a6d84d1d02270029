"""`producer cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from producer import completion
from producer.commands import options
from producer.commands.options import ScanId
from producer.console import notes, results
from producer.pages import show_pages
from worker.scan import check_scan_id
from worker.settings import load_settings

if TYPE_CHECKING:
    from producer.cancel import Cancelled
    from worker.workshop import Workshop


def cancel_command(
    scan_id: ScanId,
    stage: Annotated[
        str | None,
        typer.Option(help="Only this stage; default all that are under way.", autocompletion=completion.stages),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Stop the pages in hand too; default: they finish.")] = False,
) -> None:
    """Call off what was enqueued. Complete pages stay complete; `producer enqueue` goes on from there.

    Example: `producer cancel moby-dick --now`
    """
    from producer.cancel import cancel, cancel_all

    workshop = options.open_workshop(load_settings())
    scan_id = check_scan_id(scan_id)

    def report(name: str, done: Cancelled) -> None:
        counted = "1 waiting page" if done.dropped == 1 else f"{done.dropped:,} waiting pages"
        results.print(f"{scan_id}/{name}: cancelled with {done.summary}; {counted} dropped")
        if done.running:
            notes.print(_about_running(name, done, now=now))

    if stage is None:
        if not cancel_all(workshop, scan_id, report, now=now):
            results.print(f"{scan_id}: nothing is under way")
            return
        notes.print(f"No other stage of {scan_id} is under way; `producer enqueue {scan_id}` goes on from there.")
        return
    done = cancel(workshop, scan_id, stage, now=now)
    if done is None:
        results.print(f"{scan_id}/{stage}: nothing is under way")
        return
    report(stage, done)
    if others := _still_open(workshop, scan_id):
        notes.print(f"Still under way: {', '.join(others)}; `producer cancel {scan_id}` cancels all")


def _still_open(workshop: Workshop, scan_id: str) -> list[str]:
    """Return the stages of a scan that are under way."""
    return [stage for open_scan, stage in workshop.open_stages.all() if open_scan == scan_id]


def _about_running(stage: str, done: Cancelled, *, now: bool) -> str:
    count = len(done.running)
    were = "1 page was" if count == 1 else f"{count:,} pages were"
    pages = f"{stage}: {were} in hand ({show_pages(done.running)})"
    if not now:
        return f"{pages}; work on them is finished and counted."
    stopped = "1 was stopped" if done.stopped == 1 else f"{done.stopped:,} were stopped"
    return f"{pages}; {stopped}. What runs in threads cannot be, and finishes."
