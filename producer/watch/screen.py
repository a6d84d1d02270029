"""Show snapshots until the user ends the view: redrawn as a whole on a terminal, as plain lines elsewhere.

Plain lines are for logs, pipes, CI, and terminals that are small or dumb.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.live import Live

from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from producer.terminal.progress import clock
from producer.watch.collect import Collector
from producer.watch.output import (
    ASCII,
    NO_WORKER,
    UNICODE,
    Canvas,
    in_flight_and_waiting,
    plain_line,
    printable,
    problems,
    worker_line,
    workers_line,
)
from producer.watch.render import render
from producer.watch.snapshot import Snapshot, StageSnapshot

VIEW_HINT = "Ctrl-C closes this view; the workers keep running."
DRAW_SECONDS = 0.5
# A smaller terminal gets plain lines.
_MIN_COLUMNS, _MIN_LINES = 60, 15
_LINE_SECONDS = 10.0
_WAIT_LINE_SECONDS = 30.0
_QUIET_SECONDS = 60.0
# A worker takes a few seconds to start.
_NO_WORKER_SECONDS = 10.0
_CANVAS = Canvas(200, ASCII)


def has_screen(console: Console) -> bool:
    """Return whether a console is a terminal that can show the view and whose user wants it."""
    if not console.file.isatty() or console.is_dumb_terminal:
        return False
    if os.environ.get("NO_COLOR") or os.environ.get("CI"):
        return False
    width, height = console.size
    return width >= _MIN_COLUMNS and height >= _MIN_LINES


class Screen:
    """Shows snapshots on the alternate screen of a terminal, for the length of a `with` block.

    Attributes:
        last: the last snapshot that was shown.
    """

    def __init__(self, console: Console, hint: str) -> None:
        self.last = Snapshot()
        self._console = console
        self._hint = hint
        self._symbols = ASCII if console.options.ascii_only else UNICODE
        self._live = Live(
            console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot in the current size of the terminal."""
        self.last = snapshot
        width, height = self._console.size
        self._live.update(render(snapshot, width, height, self._symbols, self._hint), refresh=True)


@dataclass(slots=True)
class _Printed:
    """What was last printed about a stage, and when.

    Attributes:
        wait_at: when a line said what the stage waits for; None if it has been over since.
    """

    status: str = ""
    summary: str = ""
    at: float = 0.0
    wait_at: float | None = None


class PlainLines:
    """Prints a line about each stage when its status changes, and every few seconds while its pages change.

    If nothing is printed for a minute, as with a slow local model, the lines of all stages under way are repeated.
    With `own_workers`, the caller starts workers and watches over them: that none answers is not printed.
    """

    def __init__(self, print_line: Callable[[str], object], *, own_workers: bool = False) -> None:
        self._print_line = print_line
        self._printed: dict[StageRef, _Printed] = {}
        self._redis_problem = self._storage_problem = ""
        self._printed_at = time.monotonic()
        self._own_workers = own_workers
        self._no_worker_at = self._printed_at + _NO_WORKER_SECONDS

    def show(self, snapshot: Snapshot) -> None:
        """Print the lines that are due."""
        for stage in snapshot.stages:
            printed = self._printed.setdefault(stage.ref, _Printed())
            self._print_progress(stage, printed)
            self._print_wait(stage, printed)
        self._print_problems(snapshot)
        now = time.monotonic()
        if now - self._printed_at >= _QUIET_SECONDS:
            for stage in filter(lambda stage: stage.under_way, snapshot.stages):
                quiet = clock(now - self._printed[stage.ref].at)
                self._print(f"{plain_line(stage)}  no change for {quiet}")

    def _print(self, line: str) -> None:
        self._printed_at = time.monotonic()
        self._print_line(line)

    def _print_progress(self, stage: StageSnapshot, printed: _Printed) -> None:
        now = time.monotonic()
        is_due = stage.under_way and now - printed.at >= _LINE_SECONDS
        if stage.status != printed.status or (is_due and stage.summary != printed.summary):
            printed.status, printed.summary, printed.at = stage.status, stage.summary, now
            self._print(plain_line(stage))

    def _print_wait(self, stage: StageSnapshot, printed: _Printed) -> None:
        """Print what a stage waits for: at once, and again now and then."""
        if stage.waits_for and stage.under_way:
            now = time.monotonic()
            if printed.wait_at is None or now - printed.wait_at >= _WAIT_LINE_SECONDS:
                printed.wait_at = now
                self._print(printable(f"{stage.ref} waits: {stage.waits_for}"))
        elif printed.wait_at is not None:
            printed.wait_at = None
            if stage.under_way:
                self._print(f"{stage.ref}: the model answers again")

    def _print_problems(self, snapshot: Snapshot) -> None:
        if bool(snapshot.redis_problem) != bool(self._redis_problem):
            self._print(_workers_line(snapshot) if snapshot.redis_problem else "Redis answers again")
        if snapshot.storage_problem and snapshot.storage_problem != self._storage_problem:
            self._print(printable(snapshot.storage_problem))
        self._redis_problem, self._storage_problem = snapshot.redis_problem, snapshot.storage_problem
        if self._own_workers or snapshot.workers.alive or snapshot.redis_problem or not snapshot.under_way:
            self._no_worker_at = time.monotonic() + _NO_WORKER_SECONDS
        elif time.monotonic() >= self._no_worker_at:
            self._no_worker_at = math.inf
            self._print(NO_WORKER)


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


@contextmanager
def view_on(console: Console, hint: str, *, own_workers: bool = False) -> Iterator[Callable[[Snapshot], object]]:
    """Give a function that shows a snapshot: on a screen with a hint, or else as plain lines."""
    if not has_screen(console):
        yield PlainLines(console.print, own_workers=own_workers).show
        return
    # Soft wrapping does not suit a screen.
    with Screen(Console(stderr=console.stderr, highlight=False, markup=False, emoji=False), hint) as screen:
        yield screen.show
    # The screen is gone; the last state stays on the terminal.
    for stage in screen.last.stages:
        console.print(plain_line(stage))


def watch(collector: Collector, show: Callable[[Snapshot], object], *, until_done: bool = False) -> None:
    """Show snapshots until an interrupt, or with `until_done` until nothing is under way any more."""
    while True:
        snapshot = collector.snapshot()
        show(snapshot)
        if until_done and not snapshot.under_way and not snapshot.storage_problem:
            return
        time.sleep(DRAW_SECONDS)
