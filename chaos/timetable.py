"""What is to be done later, and is done at the latest when everything is to be well again."""

import heapq
import itertools
import math
import time
from collections.abc import Callable

from chaos.history import FaultRecord, Log


class Timetable:
    """Acts at their times, in the thread that calls `tend()`."""

    def __init__(self, log: Log) -> None:
        self._acts: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._log = log

    def over_after(self, record: FaultRecord, seconds: float, undo: Callable[[], object]) -> None:
        """A fault lasts so long, and ends with `undo`."""
        record.until = math.inf

        def end() -> None:
            undo()
            record.until = time.time()
            self._log.write("fault over", kind=record.kind, since=record.time)

        self.after(seconds, end)

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        heapq.heappush(self._acts, (time.monotonic() + seconds, next(self._order), act))

    def tend(self) -> None:
        """Do what is due."""
        while self._acts and self._acts[0][0] <= time.monotonic():
            heapq.heappop(self._acts)[2]()

    def finish(self) -> None:
        """Do all that is left, in its order, without waiting for its time."""
        while self._acts:
            heapq.heappop(self._acts)[2]()
