"""The CPU time that a page took. It can be known only where a process does one page at a time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_under_way: set["_Stopwatch"] = set()


class _Stopwatch:
    def __init__(self) -> None:
        self.is_alone = True
        self._started = time.process_time()

    def seconds(self) -> float | None:
        return round(time.process_time() - self._started, 3) if self.is_alone else None


@contextmanager
def cpu_clock() -> Iterator[Callable[[], float | None]]:
    """Give, for a `with` block, a function that returns the CPU seconds of this process since its beginning.

    All threads of the process count, since engines compute in threads of their own. The function returns None if
    another page was under way in the process meanwhile, as in a pool of threads.
    """
    watch = _Stopwatch()
    with _lock:
        _under_way.add(watch)
        if len(_under_way) > 1:
            for each in _under_way:
                each.is_alone = False
    try:
        yield watch.seconds
    finally:
        with _lock:
            _under_way.discard(watch)
