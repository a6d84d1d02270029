"""`producer enqueue`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from checkpointing.refs import StageRef, check_scan_id
from producer.commands.options import (
    AllowDoubtful,
    AllowUnpriced,
    AsJson,
    Budget,
    Pages,
    ScanId,
    Stage,
    Through,
    Wait,
)
from producer.open_deployment import open_deployment
from producer.page_ranges import parse_pages
from producer.planning import plan_output as words
from producer.planning.request import Plan, Request
from producer.program import INTERRUPTED
from producer.run.waiting import wait_for
from producer.terminal.console import notes, print_json, results
from producer.terminal.progress import counting_on
from worker.config.settings import load_settings
from worker.deployment import Deployment

if TYPE_CHECKING:
    from producer.planning.cost_estimate import Forecast


def enqueue_command(
    scan_id: ScanId,
    stage: Stage = "ocr",
    through: Through = None,
    pages: Pages = None,
    start_page: Annotated[int, typer.Option(min=1, help="First page; instead of --pages, for scripts.")] = 1,
    end_page: Annotated[int | None, typer.Option(min=1, help="Last page, included; default the last.")] = None,
    no_resume: Annotated[bool, typer.Option("--no-resume", help="Do every page in range again.")] = False,
    refresh_stale: Annotated[
        bool,
        typer.Option(
            "--refresh-stale",
            help="Do the stale pages in range again. With --through each stage is judged by what is complete "
            "before it: pages that the earlier one does again make later ones stale once they are complete.",
        ),
    ] = False,
    accept_stale: Annotated[
        bool, typer.Option("--accept-stale", help="Keep the stale pages in range; they are not shown any more.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and what blocks it; change nothing.")
    ] = False,
    budget: Budget = None,
    allow_unpriced: AllowUnpriced = False,
    as_json: AsJson = False,
    wait: Wait = False,
    allow_doubtful: AllowDoubtful = False,
) -> None:
    """Enqueue the pages that still need work. Safe to repeat: it does only what is left.

    A page that is not made from what is there now (an earlier stage did it again, the model was changed) is stale.
    It is shown, with what it has cost, and counts as complete until one of the two options decides. How a page
    would be made now is told by the settings here: where those of the workers differ, pages show as stale.

    Example: `producer enqueue moby-dick --pages 1-50 --wait`

    Example: `producer enqueue moby-dick --through structure --budget 5.00`
    """
    from producer.planning.enqueue import requests_through
    from producer.planning.spending import set_budget

    deployment = open_deployment(load_settings())
    first = Request(
        check_scan_id(scan_id),
        stage,
        start_page,
        end_page,
        only=frozenset() if pages is None else parse_pages(pages),
        resume=not no_resume,
        allow_unpriced=allow_unpriced,
        refresh_stale=refresh_stale,
        accept_stale=accept_stale,
    )
    requests = requests_through(deployment, first, through)
    if not dry_run:
        set_budget(deployment, scan_id, None if budget is None else Decimal(str(budget)))
    carry_out(deployment, requests, as_json=as_json, wait=wait, dry_run=dry_run, allow_doubtful=allow_doubtful)


def carry_out(
    deployment: Deployment,
    requests: list[Request],
    *,
    as_json: bool,
    wait: bool,
    dry_run: bool = False,
    allow_doubtful: bool = False,
) -> None:
    """Enqueue what requests need, say what came of it, and wait for its end if that is wished."""
    if dry_run:
        _show_plans(deployment, requests, as_json=as_json)
        return
    plans = _enqueue(deployment, requests)
    for made in plans:
        words.say_plan(notes, made)
    if as_json:
        print_json(words.plans_json(plans, dry_run=False))
    else:
        for made in plans:
            results.print(words.plan_result(made, dry_run=False))
    if wait:
        wait_for(deployment, plans, allow_doubtful=allow_doubtful)


def _show_plans(deployment: Deployment, requests: list[Request], *, as_json: bool) -> None:
    """Say what would be done, and what it would cost.

    Raises:
        LeafmarkError: the command itself would end with this error, which is what blocks the plan.
    """
    from producer.planning.cost_estimate import describe
    from producer.planning.enqueue import blockers, plan_all

    plans = plan_all(deployment, requests)
    forecasts = _forecasts(deployment, plans)
    blocked = list(blockers(deployment, requests))
    for made in plans:
        words.say_plan(notes, made)
    if as_json:
        print_json(words.plans_json(plans, dry_run=True, forecasts=forecasts, blocked=blocked))
    else:
        for made in plans:
            results.print(words.plan_result(made, dry_run=True))
            for line in describe(forecasts[made.stage]) if made.stage in forecasts else []:
                results.print(f"  {line}")
        for error in blocked:
            results.print(f"  blocked: {error}")
    if blocked:
        raise blocked[0]


def _forecasts(deployment: Deployment, plans: list[Plan]) -> dict[str, Forecast]:
    """What the stages that ask a model will cost, by stage."""
    from producer.planning.cost_estimate import forecast

    made = {each.stage: forecast(deployment, StageRef(each.scan_id, each.stage), each.remaining) for each in plans}
    return {stage: found for stage, found in made.items() if found is not None}


def _enqueue(deployment: Deployment, requests: list[Request]) -> list[Plan]:
    from producer.planning.enqueue import check_preconditions, enqueue

    # All of them before the first page of the first stage: a missing key is not to be found out in the night.
    check_preconditions(deployment, requests)
    try:
        return [enqueue(deployment, request, counting_on(notes)) for request in requests]
    except KeyboardInterrupt:
        notes.print("Stopped. What was enqueued stays so; repeat the command to enqueue the rest.")
        raise typer.Exit(INTERRUPTED) from None
