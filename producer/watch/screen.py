"""The view on a terminal: drawn anew as a whole each time, so that it survives a terminal being resized."""

import os
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from producer.watch.render import render
from producer.watch.snapshot import Scene
from producer.watch.symbols import ASCII, UNICODE

# Smaller ones get plain lines.
LEAST_COLUMNS, LEAST_LINES = 60, 15


def has_screen(console: Console) -> bool:
    """Whether a console is a terminal that the view can be drawn on, and whose user wants that."""
    if not console.file.isatty() or console.is_dumb_terminal:
        return False
    if os.environ.get("NO_COLOR") or os.environ.get("CI"):
        return False
    width, height = console.size
    return width >= LEAST_COLUMNS and height >= LEAST_LINES


def screen_of(console: Console) -> Console:
    """The terminal of a console, without what that does for plain lines."""
    return Console(stderr=console.stderr, highlight=False, markup=False, emoji=False)


class Screen:
    """The view, on the alternate screen of a terminal, for the length of a `with` block.

    Args:
        console: the terminal.
        hint: what can be done, for the last line.
    """

    def __init__(self, console: Console, hint: str) -> None:
        self._console = console
        self._hint = hint
        self._glyphs = ASCII if console.options.ascii_only else UNICODE
        self._live = Live(
            console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, scene: Scene) -> None:
        """Draw it, as large as the terminal is now."""
        width, height = self._console.size
        self._live.update(render(scene, width, height, self._glyphs, self._hint), refresh=True)
