"""Show snapshots until the user ends the view: redrawn as a whole on a terminal, as plain lines elsewhere."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.live import Live

from producer.watch.collect import Collector
from producer.watch.output import plain_line
from producer.watch.plain_output import PlainLines
from producer.watch.render import render
from producer.watch.snapshot import Snapshot
from producer.watch.symbols import ASCII, UNICODE

VIEW_HINT = "Ctrl-C closes this view; the workers keep running."
DRAW_SECONDS = 0.5
# A smaller terminal gets plain lines.
_MIN_COLUMNS, _MIN_LINES = 60, 15


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
