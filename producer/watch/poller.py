"""Poll a slow source in a background thread, so that the display never blocks."""

import threading
import time
from collections.abc import Callable
from typing import Generic, Self, TypeVar

T = TypeVar("T")

# Polling takes at most a tenth of one core.
_PAUSE_FACTOR = 9


class Poller(Generic[T]):
    """Calls a function repeatedly for the length of a `with` block and keeps its latest result.

    The thread is not joined at the end: the source may never answer.

    Args:
        read: returns the value; an exception becomes `problem`.
        seconds: pause between two calls.
        initial: value of `latest` before the first call has ended.

    Attributes:
        latest: the latest result.
        problem: why the last call failed; empty if it succeeded.
        succeeded: whether any call has succeeded yet.
    """

    def __init__(self, read: Callable[[], T], seconds: float, initial: T) -> None:
        self._read = read
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)
        self._ended_at = time.monotonic()
        self.latest = initial
        self.problem = ""
        self.succeeded = False

    @property
    def has_ended_once(self) -> bool:
        """Whether any call has ended, with a result or an exception."""
        return self.succeeded or bool(self.problem)

    @property
    def age(self) -> float:
        """Seconds since the last call ended; since the start before any has."""
        return time.monotonic() - self._ended_at

    def poll(self) -> None:
        """Call the function once, in the calling thread."""
        try:
            self.latest = self._read()
            self.succeeded, self.problem = True, ""
        except Exception as error:  # noqa: BLE001  # whatever fails, the view goes on and shows the problem
            self.problem = str(error) or type(error).__name__
        self._ended_at = time.monotonic()

    def __enter__(self) -> Self:
        self._ended_at = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def _run(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            began = time.thread_time()
            self.poll()
            pause = max(self._seconds, _PAUSE_FACTOR * (time.thread_time() - began))
