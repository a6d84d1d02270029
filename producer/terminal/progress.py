"""How far a count has come, on stderr: a bar on a terminal, a line now and then elsewhere (a pipe, a log, CI)."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

Step = Callable[[], object]
Counting = Callable[[str, int], AbstractContextManager[Step]]
"""Given a label and a total, a `with` block with a function to call at each step."""

_BAR_SECONDS = 0.1
_PLAIN_LINE_SECONDS = 10.0


@contextmanager
def uncounted(_label: str, _total: int) -> Iterator[Step]:
    """Counts nothing: for whoever wants no progress shown."""
    yield bool


def counting_on(console: Console) -> Counting:
    """Shows counts on a console. What ends within seconds leaves no trace there."""

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
    """Counts, and shows the count so often: drawing takes longer than looking at a page."""

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
