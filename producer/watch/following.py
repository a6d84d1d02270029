"""The view for whoever waits for plans: `--wait` and `producer run`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console

from checkpointing.errors import CheckpointError, StorageError
from checkpointing.models import Checkpoint
from producer.planning.request import Plan
from producer.status.call_costs import unanswered_of
from producer.status.scan_status import what_it_waits_for
from producer.watch.chosen import of_plans
from producer.watch.collect import Collector
from producer.watch.follow import PlainLines
from producer.watch.loop import DRAW_SECONDS, View
from producer.watch.screen import Screen, has_screen, screen_of
from worker.deployment import Deployment


class LivePlans:
    """Shows all plans on a terminal while one of them is followed.

    Args:
        collector: of their stages.
        view: shows them.
    """

    def __init__(self, collector: Collector, view: View) -> None:
        self._collector = collector
        self._view = view
        self._next = 0.0

    def show(self, checkpoint: Checkpoint) -> None:
        """A checkpoint has changed."""
        self._collector.take(checkpoint)
        self._view.show(self._collector.scene())
        self._next = time.monotonic() + DRAW_SECONDS

    def tick(self) -> None:
        """Time has passed: who works on what may have changed."""
        if time.monotonic() >= self._next:
            self._view.show(self._collector.scene())
            self._next = time.monotonic() + DRAW_SECONDS


@contextmanager
def view_of_plans(
    deployment: Deployment, plans: list[Plan], console: Console, hint: str
) -> Iterator[LivePlans | PlainLines]:
    """The live view on a terminal, plain lines elsewhere.

    Args:
        deployment: the deployment.
        plans: what is waited for.
        console: to show it on.
        hint: what Ctrl-C does.
    """
    if not has_screen(console):
        yield PlainLines(console, lambda: _waits(deployment, plans), lambda stage: _open_calls(deployment, stage))
        return
    with Collector(deployment, of_plans(plans)) as collector, Screen(screen_of(console), hint) as screen:
        yield LivePlans(collector, screen)


def _open_calls(deployment: Deployment, checkpoint: Checkpoint) -> int:
    """How many calls of a stage have no answer; 0 where storage cannot say."""
    with suppress(StorageError):
        return unanswered_of(deployment, checkpoint.scan_id, checkpoint.stage).calls
    return 0


def _waits(deployment: Deployment, plans: list[Plan]) -> dict[str, str]:
    """What keeps the stages of some plans that have pages left from going on, by how a line names them."""
    found = {}
    for plan in plans:
        why = what_it_waits_for(deployment, plan.stage)
        if why and _has_pages_left(deployment, plan):
            found[f"{plan.scan_id}/{plan.stage}"] = why
    return found


def _has_pages_left(deployment: Deployment, plan: Plan) -> bool:
    """Whether pages of a stage are not settled yet; true where its checkpoint cannot be read just now."""
    with suppress(CheckpointError, OSError):
        return bool(deployment.checkpoint_file(plan.scan_id, plan.stage).read().pending())
    return True
