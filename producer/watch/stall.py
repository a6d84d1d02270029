"""Telling who waits that nothing moves because nobody works."""

import time
from collections.abc import Callable

from rich.console import Console

from checkpointing.errors import BrokerError, in_one_line
from worker.queue.broker_errors import broker_errors

NO_WORKER = "No worker answers. Start one: producer worker"
_PATIENCE_SECONDS = 10.0


class StallWatch:
    """Looks, some seconds after the waiting began, whether there are any workers.

    Args:
        count_workers: how many answer; may fail as calls to the broker do, and is asked again later.
        console: to say so.
    """

    def __init__(self, count_workers: Callable[[], int], console: Console) -> None:
        self._count_workers = count_workers
        self._console = console
        self._look_at = time.monotonic() + _PATIENCE_SECONDS
        self._told = False

    def look(self) -> None:
        """Called again and again while waiting."""
        if time.monotonic() < self._look_at:
            return
        try:
            workers = self._count_workers()
        except broker_errors(BrokerError, OSError) as error:
            self._look_at = time.monotonic() + _PATIENCE_SECONDS
            self._tell_once(error)
            return
        self._look_at = float("inf")
        if not workers:
            self._console.print(NO_WORKER)

    def _tell_once(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            said = in_one_line(str(error.__cause__ or error))
            self._console.print(f"Redis does not answer ({said}); the pages wait until it does.")
