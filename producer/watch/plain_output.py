"""Plain lines for logs, pipes, CI, and terminals that are small or dumb."""

import time
from collections.abc import Callable, Mapping
from typing import Self

from rich.console import Console

from checkpointing.checkpoint import Checkpoint
from checkpointing.fields import now
from checkpointing.money import dollars
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from checkpointing.status import Status
from producer.status.rate import recent_rate
from producer.terminal.progress import clock
from producer.watch.output import (
    Canvas,
    in_flight_and_waiting,
    plain_line,
    printable,
    problems,
    rate_and_eta,
    worker_line,
    workers_line,
)
from producer.watch.snapshot import Snapshot, StageSnapshot
from producer.watch.symbols import ASCII

_LINE_SECONDS = 10.0
_WAIT_LINE_SECONDS = 30.0
_QUIET_SECONDS = 60.0
_ASK_SECONDS = 1.0
_CANVAS = Canvas(200, ASCII)


class SnapshotLines:
    """Prints one line for each stage under way every few seconds, and one at each change of status.

    Args:
        print_line: prints a line.
    """

    def __init__(self, print_line: Callable[[str], object]) -> None:
        self._print = print_line
        self._statuses: dict[StageRef, str] = {}
        self._redis_problem = self._storage_problem = ""
        self._waiting: set[StageRef] = set()
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: lines stay where they are."""

    def show(self, snapshot: Snapshot) -> None:
        """Print the lines that are due."""
        due = time.monotonic() >= self._next
        if due:
            self._next = time.monotonic() + _LINE_SECONDS
        for stage in snapshot.stages:
            if self._statuses.get(stage.ref) != stage.status or (due and stage.under_way):
                self._statuses[stage.ref] = stage.status
                self._print(plain_line(stage))
            self._print_wait(stage, due=due)
        self._print_problems(snapshot)

    def _print_wait(self, stage: StageSnapshot, *, due: bool) -> None:
        """Print what a stage waits for: at once, and again whenever lines are due."""
        waits = bool(stage.waits_for and stage.under_way)
        if waits and (due or stage.ref not in self._waiting):
            self._print(printable(f"{stage.ref} waits: {stage.waits_for}"))
        if not waits and stage.ref in self._waiting and stage.under_way:
            self._print(f"{stage.ref}: the model answers again")
        (self._waiting.add if waits else self._waiting.discard)(stage.ref)

    def _print_problems(self, snapshot: Snapshot) -> None:
        if bool(snapshot.redis_problem) != bool(self._redis_problem):
            self._print(_workers_line(snapshot) if snapshot.redis_problem else "Redis answers again")
        if snapshot.storage_problem and snapshot.storage_problem != self._storage_problem:
            self._print(printable(snapshot.storage_problem))
        self._redis_problem, self._storage_problem = snapshot.redis_problem, snapshot.storage_problem


def snapshot_lines(snapshot: Snapshot) -> list[str]:
    """Return a whole snapshot as lines."""
    lines = []
    for stage in snapshot.stages:
        lines.append(plain_line(stage))
        details = [in_flight_and_waiting(stage), *problems(stage)]
        lines += [f"  {printable(detail)}" for detail in details if detail]
    if snapshot.more_stages:
        lines.append(f"and {counted(snapshot.more_stages, 'more stage')} under way")
    if not snapshot.stages:
        lines.append("Nothing is under way.")
    lines += [printable(each) for each in (snapshot.other_scans, snapshot.storage_problem) if each]
    lines.append(_workers_line(snapshot))
    if not snapshot.redis_problem:
        lines += [worker_line(each, snapshot.at, _CANVAS).plain for each in snapshot.workers.answering]
    return lines


def _workers_line(snapshot: Snapshot) -> str:
    return workers_line(snapshot, _CANVAS).plain


class CheckpointLines:
    """Prints a line about a stage every few seconds, and one when none of its pages is pending any more.

    Args:
        console: prints the lines.
        waits: returns what stages wait for, by `SCAN_ID/STAGE`.
        unanswered_calls: returns how many calls of a stage have no answer yet.
    """

    def __init__(
        self,
        console: Console,
        waits: Callable[[], Mapping[str, str]] = dict,
        unanswered_calls: Callable[[Checkpoint], int] = lambda _: 0,
    ) -> None:
        self._console = console
        self._read_waits = waits
        self._unanswered_calls = unanswered_calls
        self._waits: dict[str, str] = {}
        # The rate is that of the work that is followed: an earlier run does not count.
        self._begun = now()
        self._next: dict[str, float] = {}
        self._ask_at = self._print_waits_at = 0.0
        self._shown: Checkpoint | None = None
        self._changed_at = self._printed_at = time.monotonic()

    def show(self, checkpoint: Checkpoint) -> None:
        """Print a line about the stage, unless one was printed a moment ago."""
        if self._shown is None or self._shown.summary() != checkpoint.summary():
            self._changed_at = time.monotonic()
        self._shown = checkpoint
        label = str(checkpoint.ref)
        if time.monotonic() < self._next.get(label, 0.0) and checkpoint.pending():
            return
        self._next[label] = time.monotonic() + _LINE_SECONDS
        self._print(checkpoint)

    def tick(self) -> None:
        """Print what stages wait for, and a sign of life if a page takes minutes, as with a local model."""
        if time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + _ASK_SECONDS
            self._print_waits(self._read_waits())
        if self._shown is not None and time.monotonic() - self._printed_at >= _QUIET_SECONDS:
            quiet = f"  no change for {clock(time.monotonic() - self._changed_at)}"
            calls = self._unanswered_calls(self._shown)
            self._print(self._shown, f"{quiet}, {counted(calls, 'call')} waiting for an answer" if calls else quiet)

    def _print_waits(self, waits: Mapping[str, str]) -> None:
        due = set(waits) if time.monotonic() >= self._print_waits_at else waits.keys() - self._waits.keys()
        for label in sorted(due):
            self._print_waits_at = time.monotonic() + _WAIT_LINE_SECONDS
            self._console.print(f"{label} waits: {waits[label]}", markup=False)
        for label in sorted(self._waits.keys() - waits.keys()):
            self._console.print(f"{label}: the model answers again", markup=False)
        self._waits = dict(waits)

    def _print(self, checkpoint: Checkpoint, more: str = "") -> None:
        self._printed_at = time.monotonic()
        # A stage that was cancelled, failed or is paused has no rate and no remaining time.
        has_rate = checkpoint.status in {Status.IN_PROGRESS, Status.COMPLETED}
        rate = recent_rate(checkpoint, self._begun) if has_rate else None
        parts = [
            f"{checkpoint.ref}: {checkpoint.summary()}",
            *rate_and_eta(rate, len(checkpoint.pending()) / rate if rate else None),
            dollars(checkpoint.total_cost_usd),
        ]
        self._console.print(f"{'  '.join(parts)}{more}")
