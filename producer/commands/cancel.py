"""`producer cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from producer.commands import options
from producer.commands.options import ScanId, Stage
from producer.console import notes, results
from producer.pages import show_pages
from worker.scan import check_scan_id
from worker.settings import load_settings

if TYPE_CHECKING:
    from producer.cancel import Cancelled


def cancel_command(
    scan_id: ScanId,
    stage: Stage = "ocr",
    now: Annotated[bool, typer.Option("--now", help="Stop the pages in hand too; default: they finish.")] = False,
) -> None:
    """Call off what was enqueued. Complete pages stay complete; `producer enqueue` goes on from there.

    Example: `producer cancel moby-dick --now`
    """
    from producer.cancel import cancel

    workshop = options.open_workshop(load_settings())
    done = cancel(workshop, check_scan_id(scan_id), stage, now=now)
    if done is None:
        results.print(f"{scan_id}/{stage}: nothing is under way")
        return
    results.print(f"{scan_id}/{stage}: cancelled with {done.summary}; {done.dropped} waiting pages dropped")
    if done.running:
        notes.print(_about_running(done, now=now))


def _about_running(done: Cancelled, *, now: bool) -> str:
    pages = f"{len(done.running)} pages were in hand ({show_pages(done.running)})"
    if not now:
        return f"{pages}; they are finished and counted."
    return f"{pages}; {done.stopped} were stopped. What runs in threads cannot be, and finishes."
