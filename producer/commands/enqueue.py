"""`producer enqueue`."""

from typing import Annotated

import typer

from producer import words
from producer.commands import options
from producer.commands.options import AsJson, ScanId, Stage, Wait
from producer.commands.waiting import INTERRUPTED, wait_for
from producer.console import notes, print_json, results
from producer.enqueue import Plan, Request, enqueue, plan
from producer.progress import counting_on
from worker.scan import check_scan_id
from worker.settings import load_settings
from worker.workshop import Workshop


def enqueue_command(
    scan_id: ScanId,
    stage: Stage = "ocr",
    start_page: Annotated[int, typer.Option(min=1, help="First page.")] = 1,
    end_page: Annotated[int | None, typer.Option(min=1, help="Last page, included; default the last.")] = None,
    no_resume: Annotated[bool, typer.Option("--no-resume", help="Do every page in range again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")] = False,
    as_json: AsJson = False,
    wait: Wait = False,
) -> None:
    """Enqueue the pages that still need work. Say it again at any time: it does only what is left.

    Example: `producer enqueue moby-dick --start-page 1 --end-page 50 --wait`
    """
    request = Request(check_scan_id(scan_id), stage, start_page, end_page, resume=not no_resume)
    carry_out(options.open_workshop(load_settings()), request, as_json=as_json, wait=wait, dry_run=dry_run)


def carry_out(workshop: Workshop, request: Request, *, as_json: bool, wait: bool, dry_run: bool = False) -> None:
    """Enqueue what a request needs, say what came of it, and wait for its end if that is wished."""
    made = plan(workshop, request) if dry_run else _enqueue(workshop, request)
    words.say_plan(notes, made)
    if as_json:
        print_json(words.plan_json(made, dry_run=dry_run))
    else:
        results.print(words.plan_result(made, dry_run=dry_run))
    if wait and not dry_run:
        wait_for(workshop, made)


def _enqueue(workshop: Workshop, request: Request) -> Plan:
    try:
        return enqueue(workshop, request, counting_on(notes))
    except KeyboardInterrupt:
        notes.print("Stopped. What was enqueued stays so; repeat the command to enqueue the rest.")
        raise typer.Exit(INTERRUPTED) from None
