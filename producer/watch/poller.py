"""Looking at something that may take its time, in a thread of its own, so that whoever shows it never waits."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

# Looking takes a tenth of one core at the most.
_PAUSE_FACTOR = 9


class Lookout(Generic[T]):
    """Looks again and again, for the length of a `with` block, and keeps what was seen last.

    The thread is not waited for at the end: what it asks may never answer.

    Args:
        look: what to do; what it raises becomes `trouble`.
        seconds: between the end of one look and the next one.
        first: what counts as seen before the first look has ended.

    Attributes:
        latest: what was seen last.
        trouble: why the last look came to nothing; empty where it did not.
        looked: whether a look has ended well yet.
    """

    def __init__(self, look: Callable[[], T], seconds: float, first: T) -> None:
        self._look = look
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)
        self._ended_at = time.monotonic()
        self.latest = first
        self.trouble = ""
        self.looked = False

    @property
    def is_first(self) -> bool:
        """Whether no look has ended yet, well or not."""
        return not self.looked and not self.trouble

    @property
    def age(self) -> float:
        """Seconds since the last look has ended; since the beginning before any has."""
        return time.monotonic() - self._ended_at

    def look(self) -> None:
        """Look once, here and now."""
        try:
            self.latest = self._look()
            self.looked, self.trouble = True, ""
        except Exception as error:  # noqa: BLE001  # whatever it is, the view goes on without, and says so
            self.trouble = str(error) or type(error).__name__
        self._ended_at = time.monotonic()

    def __enter__(self) -> Self:
        self._ended_at = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _run(self) -> None:
        pause = 0.0
        while not self._over.wait(pause):
            began = time.thread_time()
            self.look()
            pause = max(self._seconds, _PAUSE_FACTOR * (time.thread_time() - began))
