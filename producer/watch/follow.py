"""Follow plans until their pages are settled, as `producer run` and `--wait` do."""

import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import suppress

from rich.console import Console

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError
from checkpointing.file import CheckpointFile
from checkpointing.status import Status
from producer.planning.request import Plan
from producer.watch.collect import MAX_STAGES, Collector
from producer.watch.screen import view_on
from producer.watch.stage_reader import CheckpointReader
from worker.deployment import Deployment

_POLL_SECONDS = 0.25


def follow_plans(
    deployment: Deployment,
    plans: list[Plan],
    console: Console,
    hint: str,
    check: Callable[[], object] | None = None,
) -> list[Checkpoint]:
    """Show progress, stage by stage, until the pages of each plan are complete or in quarantine, or it is paused.

    The plans are in pipeline order. `check` is called several times a second, if the caller has workers of its
    own to watch over; it may raise to end the wait.

    Returns:
        The checkpoints at the end; without the stages of a book that come after a paused one.
    """
    checkpoints: list[Checkpoint] = []
    paused: set[str] = set()
    shown = plans
    with (
        Collector(deployment, lambda: [plan.ref for plan in shown]) as collector,
        view_on(console, hint, own_workers=check is not None) as show,
    ):

        def on_change(checkpoint: Checkpoint) -> None:
            collector.feed(checkpoint)
            show(collector.snapshot())

        def on_poll() -> None:
            if check is not None:
                check()
            show(collector.snapshot())

        for place, plan in enumerate(plans):
            if plan.scan_id in paused:
                continue
            # Of many books, those that come next, beginning with the one that is followed.
            shown = plans[min(place, max(0, len(plans) - MAX_STAGES)) :]
            file = deployment.store.checkpoint_file(plan.ref)
            checkpoints.append(follow(file, frozenset(plan.wanted), on_change, on_poll))
            if checkpoints[-1].status is Status.PAUSED:
                paused.add(plan.scan_id)
    return checkpoints


def follow(
    file: CheckpointFile,
    wanted: AbstractSet[int],
    on_change: Callable[[Checkpoint], object],
    on_poll: Callable[[], object] = bool,
) -> Checkpoint:
    """Wait until every wanted page is complete or in quarantine, or the stage is paused; return its checkpoint.

    Only the file is read, so following does not depend on Redis. `on_poll` is called several times a second; it may
    raise to end the wait.
    """
    reader = CheckpointReader(file)
    checkpoint = reader.read_if_changed() or file.read()
    on_change(checkpoint)
    while checkpoint.status is not Status.PAUSED and not wanted.isdisjoint(checkpoint.pending()):
        on_poll()
        time.sleep(_POLL_SECONDS)
        # A file that is missing or being rebuilt is waited for.
        with suppress(CheckpointError, OSError):
            if (changed := reader.read_if_changed()) is not None:
                checkpoint = changed
                on_change(checkpoint)
    return checkpoint
