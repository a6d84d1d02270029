"""Watching until told to stop, on a terminal or in plain lines."""

import time
from typing import Protocol

from rich.console import Console

from producer.watch.collect import Collector
from producer.watch.plain_output import Lines
from producer.watch.screen import Screen, has_screen, screen_of
from producer.watch.snapshot import Scene

DRAW_SECONDS = 0.5


class View(Protocol):
    """Shows scenes."""

    def show(self, scene: Scene) -> None:
        """Show one."""
        ...


def view_on(console: Console, hint: str) -> Screen | Lines:
    """What shows scenes on a console: a screen where there is one, else plain lines."""
    if has_screen(console):
        return Screen(screen_of(console), hint)
    return Lines(console.print)


def watch(collector: Collector, view: View, *, until_done: bool = False) -> Scene:
    """Show what is known, again and again.

    Args:
        collector: makes the scenes.
        view: shows them.
        until_done: whether to end when nothing is under way any more; else only an interrupt ends it.

    Returns:
        The last scene.
    """
    while True:
        scene = collector.scene()
        view.show(scene)
        if until_done and not scene.under_way and not scene.storage_trouble:
            return scene
        time.sleep(DRAW_SECONDS)
