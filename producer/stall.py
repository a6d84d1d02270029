"""Telling who waits that nothing moves because nobody works."""

import time
from collections.abc import Callable

from rich.console import Console

NO_WORKER = "No worker answers. Start one: producer worker"
_PATIENCE_SECONDS = 10.0


class StallWatch:
    """Looks once, some seconds after the waiting began, whether there are any workers.

    Args:
        count_workers: how many answer; may raise OperationalError.
        console: to say so.
    """

    def __init__(self, count_workers: Callable[[], int], console: Console) -> None:
        self._count_workers = count_workers
        self._console = console
        self._look_at = time.monotonic() + _PATIENCE_SECONDS

    def look(self) -> None:
        """Called again and again while waiting."""
        if time.monotonic() < self._look_at:
            return
        from kombu.exceptions import OperationalError  # noqa: PLC0415  # who does not wait needs no Celery

        self._look_at = float("inf")
        try:
            workers = self._count_workers()
        except OperationalError as error:
            self._console.print(f"Redis does not answer ({error}); the pages wait until it does.")
            return
        if not workers:
            self._console.print(NO_WORKER)
