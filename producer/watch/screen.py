"""Show snapshots until the user ends the view: redrawn as a whole on a terminal, as plain lines elsewhere."""

import os
import time
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live

from producer.watch.collect import Collector
from producer.watch.plain_output import SnapshotLines
from producer.watch.render import render
from producer.watch.snapshot import Snapshot
from producer.watch.symbols import ASCII, UNICODE

DRAW_SECONDS = 0.5
# A smaller terminal gets plain lines.
_MIN_COLUMNS, _MIN_LINES = 60, 15


class View(Protocol):
    """Shows snapshots."""

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        ...


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

    Args:
        console: of the terminal.
        hint: last line: what the user can do.
    """

    def __init__(self, console: Console, hint: str) -> None:
        self._console = console
        self._hint = hint
        self._symbols = ASCII if console.options.ascii_only else UNICODE
        self._live = Live(
            console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    @classmethod
    def beside(cls, console: Console, hint: str) -> Self:
        """Return a screen on the same terminal as a console that prints plain lines with soft wrapping."""
        return cls(Console(stderr=console.stderr, highlight=False, markup=False, emoji=False), hint)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot in the current size of the terminal."""
        width, height = self._console.size
        self._live.update(render(snapshot, width, height, self._symbols, self._hint), refresh=True)


def view_on(console: Console, hint: str) -> Screen | SnapshotLines:
    """Return the view for a console: a screen if it has one, else plain lines."""
    return Screen.beside(console, hint) if has_screen(console) else SnapshotLines(console.print)


def watch(collector: Collector, view: View, *, until_done: bool = False) -> Snapshot:
    """Show snapshots repeatedly.

    Args:
        collector: makes the snapshots.
        view: shows them.
        until_done: end when nothing is under way any more; otherwise only an interrupt ends it.

    Returns:
        The last snapshot.
    """
    while True:
        snapshot = collector.snapshot()
        view.show(snapshot)
        if until_done and not snapshot.under_way and not snapshot.storage_problem:
            return snapshot
        time.sleep(DRAW_SECONDS)
