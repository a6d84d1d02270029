"""Show the progress of a count on stderr: a bar on a terminal, a line every few seconds elsewhere."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

Step = Callable[[], object]
Counting = Callable[[str, int], AbstractContextManager[Step]]
"""Takes a label and a total; gives, for a `with` block, a function to call at each step."""

_BAR_SECONDS = 0.1
_PLAIN_LINE_SECONDS = 10.0


def clock(seconds: float) -> str:
    """Return a duration as `1:42` or `2:05:09`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def uncounted(_label: str, _total: int) -> Iterator[Step]:
    """Show no progress."""
    yield bool


def counting_on(console: Console) -> Counting:
    """Return a counter that shows progress on a console; a count that ends within seconds leaves no output."""

    @contextmanager
    def counting(label: str, total: int) -> Iterator[Step]:
        if not console.is_terminal or os.environ.get("TERM") == "dumb":
            yield _Pacer(_PLAIN_LINE_SECONDS, lambda done: console.print(f"{label}: {done} of {total}")).step
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield _Pacer(_BAR_SECONDS, lambda done: bar.update(task, completed=done)).step

    return counting


class _Pacer:
    """Counts steps and shows the count at intervals, because drawing takes longer than checking a page."""

    def __init__(self, seconds: float, show: Callable[[int], object]) -> None:
        self._seconds = seconds
        self._show = show
        self._done = 0
        self._next = time.monotonic() + seconds

    def step(self) -> None:
        self._done += 1
        if time.monotonic() >= self._next:
            self._show(self._done)
            self._next = time.monotonic() + self._seconds
