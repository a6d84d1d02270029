"""Follow plans until their pages are settled, as `producer run` and `--wait` do."""

import time
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from typing import Protocol

from rich.console import Console

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import BrokerError, CheckpointError, StorageError, in_one_line
from checkpointing.file import CheckpointFile
from checkpointing.status import Status
from producer.planning.request import Plan
from producer.status.call_costs import unanswered_of
from producer.status.scan_status import what_it_waits_for
from producer.watch.collect import Collector, stages_of_plans
from producer.watch.output import NO_WORKER
from producer.watch.plain_output import CheckpointLines
from producer.watch.screen import DRAW_SECONDS, Screen, View, has_screen
from producer.watch.stage_reader import CheckpointReader
from worker.deployment import Deployment
from worker.queue.broker_errors import broker_errors
from worker.storage.book_store import BookStore

_POLL_SECONDS = 0.2
_WORKER_CHECK_SECONDS = 10.0


class FollowView(Protocol):
    """Shows the progress of the stage that is followed."""

    def show(self, checkpoint: Checkpoint) -> None:
        """Show a new version of its checkpoint."""
        ...

    def tick(self) -> None:
        """Update what depends on the time. Called several times a second while the checkpoint does not change."""
        ...


def follow(
    file: CheckpointFile, wanted: AbstractSet[int], view: FollowView, on_poll: Callable[[], object] = bool
) -> Checkpoint:
    """Wait until every wanted page is complete or in quarantine, or the stage is paused.

    Args:
        file: the checkpoint to follow. Only this file is read, so following does not depend on Redis.
        wanted: the pages to wait for.
        view: is shown each version of the checkpoint.
        on_poll: called several times a second; may raise to end the wait.

    Returns:
        The last version of the checkpoint.
    """
    reader = CheckpointReader(file)
    checkpoint = reader.read_if_changed() or file.read()
    while checkpoint.status is not Status.PAUSED and not wanted.isdisjoint(checkpoint.pending()):
        view.show(checkpoint)
        checkpoint = _next_version(reader, view, on_poll)
    view.show(checkpoint)
    return checkpoint


def _next_version(reader: CheckpointReader, view: FollowView, on_poll: Callable[[], object]) -> Checkpoint:
    """Wait for a new version of the file; a file that is missing or being rebuilt is waited for."""
    while True:
        with suppress(CheckpointError, OSError):
            checkpoint = reader.read_if_changed()
            if checkpoint is not None:
                return checkpoint
        on_poll()
        view.tick()
        time.sleep(_POLL_SECONDS)


class PlansOnScreen:
    """Shows all plans on a terminal while one of them is followed.

    Args:
        collector: collects their stages.
        view: shows them.
    """

    def __init__(self, collector: Collector, view: View) -> None:
        self._collector = collector
        self._view = view
        self._next = 0.0

    def show(self, checkpoint: Checkpoint) -> None:
        """Draw at once: a checkpoint has changed."""
        self._collector.feed(checkpoint)
        self._draw()

    def tick(self) -> None:
        """Draw if it is time to: the pages in flight may have changed."""
        if time.monotonic() >= self._next:
            self._draw()

    def _draw(self) -> None:
        self._view.show(self._collector.snapshot())
        self._next = time.monotonic() + DRAW_SECONDS


@contextmanager
def view_of_plans(
    deployment: Deployment, plans: list[Plan], console: Console, hint: str
) -> Iterator[PlansOnScreen | CheckpointLines]:
    """Give the live view if the console has a screen, else plain lines.

    Args:
        deployment: the deployment.
        plans: the plans that are followed.
        console: where to show them.
        hint: what Ctrl-C does.
    """
    if not has_screen(console):
        yield CheckpointLines(
            console,
            lambda: _waits(deployment.store, plans),
            lambda stage: _unanswered_calls(deployment.store, stage),
        )
        return
    with Collector(deployment, stages_of_plans(plans)) as collector, Screen.beside(console, hint) as screen:
        yield PlansOnScreen(collector, screen)


def _unanswered_calls(store: BookStore, checkpoint: Checkpoint) -> int:
    """Return how many calls of a stage have no answer; 0 if the storage cannot be read."""
    with suppress(StorageError):
        return unanswered_of(store, checkpoint.ref).calls
    return 0


def _waits(store: BookStore, plans: list[Plan]) -> dict[str, str]:
    """Return what the stages that still have pages wait for, by `SCAN_ID/STAGE`."""
    found = {}
    for plan in plans:
        reason = what_it_waits_for(store, plan.stage)
        if reason and _has_pages_left(store, plan):
            found[str(plan.ref)] = reason
    return found


def _has_pages_left(store: BookStore, plan: Plan) -> bool:
    """Return whether pages of a stage are still pending; also if its checkpoint cannot be read at the moment."""
    with suppress(CheckpointError, OSError):
        return bool(store.checkpoint_file(plan.ref).read().pending())
    return True


class MissingWorkerNotice:
    """Prints a line if no worker answers some seconds after the wait began.

    Args:
        count_workers: returns how many workers answer; called again later if the broker fails.
        console: where to print.
    """

    def __init__(self, count_workers: Callable[[], int], console: Console) -> None:
        self._count_workers = count_workers
        self._console = console
        self._check_at = time.monotonic() + _WORKER_CHECK_SECONDS
        self._has_printed_error = False

    def check(self) -> None:
        """Check if it is time to. Called repeatedly during the wait."""
        if time.monotonic() < self._check_at:
            return
        try:
            workers = self._count_workers()
        except broker_errors(BrokerError, OSError) as error:
            self._check_at = time.monotonic() + _WORKER_CHECK_SECONDS
            self._print_error_once(error)
            return
        self._check_at = float("inf")
        if not workers:
            self._console.print(NO_WORKER)

    def _print_error_once(self, error: Exception) -> None:
        if not self._has_printed_error:
            self._has_printed_error = True
            reason = in_one_line(str(error.__cause__ or error))
            self._console.print(f"Redis does not answer ({reason}); the pages wait until it does.")
