"""Carry out the requests of `enqueue` and `retry`, or show what they would do, and print the result."""

from collections.abc import Iterator
from functools import partial

import typer

from checkpointing.errors import BrokerError, LeafmarkError
from producer.planning.able_workers import check_readable
from producer.planning.cost_estimate import describe, forecast
from producer.planning.enqueue import enqueue, plan_all
from producer.planning.plan_output import plan_result, plans_json, print_plan
from producer.planning.preconditions import blockers, check_preconditions
from producer.planning.request import Plan, Request
from producer.program import INTERRUPTED
from producer.terminal.console import notes, print_json, results
from producer.terminal.progress import counting_on
from worker.deployment import Deployment
from worker.queue.client import QueueClient
from worker.storage.book_store import BookStore


def enqueue_all(deployment: Deployment, requests: list[Request], *, as_json: bool) -> list[Plan]:
    """Enqueue the pages of requests, and print what was enqueued.

    Raises:
        LeafmarkError: a precondition is not met, or storage or Redis failed.
        typer.Exit: Ctrl-C; what was enqueued until then stays enqueued.
    """
    # Of all stages before the first page of the first one, so that no stage fails on a missing key hours later.
    check_preconditions(deployment.store, deployment.queues, requests)
    try:
        plans = [enqueue(deployment, request, counting_on(notes)) for request in requests]
    except KeyboardInterrupt:
        notes.print("Stopped. The pages enqueued so far stay enqueued; repeat the command for the rest.")
        raise typer.Exit(INTERRUPTED) from None
    for made in plans:
        print_plan(notes, made)
    if as_json:
        print_json(plans_json(plans, dry_run=False))
        return plans
    for made in plans:
        results.print(plan_result(made, dry_run=False))
    return plans


def show_plans(store: BookStore, queues: QueueClient, requests: list[Request], *, as_json: bool) -> None:
    """Print what requests would do and cost, and what blocks them. Changes no file, and enqueues nothing.

    Raises:
        LeafmarkError: the first of the errors that block them.
    """
    plans = plan_all(store, requests)
    estimates = ((each.stage, forecast(store, each.ref, each.remaining)) for each in plans)
    forecasts = {stage: made for stage, made in estimates if made is not None}
    blocked = list(blockers(store, queues, requests))
    if not any(isinstance(error, BrokerError) for error in blocked):
        blocked += _unreadable(store, queues, plans)
    for made in plans:
        print_plan(notes, made)
    if as_json:
        print_json(plans_json(plans, dry_run=True, forecasts=forecasts, blocked=blocked))
    else:
        for made in plans:
            results.print(plan_result(made, dry_run=True))
            for line in describe(forecasts[made.stage]) if made.stage in forecasts else []:
                results.print(f"  {line}")
        for error in blocked:
            results.print(f"  blocked: {error}")
    if blocked:
        raise blocked[0]


def _unreadable(store: BookStore, queues: QueueClient, plans: list[Plan]) -> Iterator[LeafmarkError]:
    """Yield an error for each plan with pages that no worker alive can read."""
    for made in plans:
        try:
            check_readable(store, queues, store.metadata(made.scan_id), made.stage, partial(bool, made.remaining))
        except LeafmarkError as error:
            yield error
