"""Actions that are due later, and at the latest when the faults end."""

import heapq
import itertools
import math
import time
from collections.abc import Callable

from chaos.history import FaultRecord, Log


class Timetable:
    """Calls actions at their time, in the thread that calls `tend()`."""

    def __init__(self, log: Log) -> None:
        self._acts: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._log = log

    def over_after(self, record: FaultRecord, seconds: float, undo: Callable[[], object]) -> None:
        """End a fault with `undo` after this many seconds."""
        record.until = math.inf

        def end() -> None:
            undo()
            record.until = time.time()
            self._log.write("fault over", kind=record.kind, since=record.time)

        self.after(seconds, end)

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        heapq.heappush(self._acts, (time.monotonic() + seconds, next(self._order), act))

    def tend(self) -> None:
        """Call the actions that are due."""
        while self._acts and self._acts[0][0] <= time.monotonic():
            heapq.heappop(self._acts)[2]()

    def finish(self) -> None:
        """Call all remaining actions in their order, without waiting for their time."""
        while self._acts:
            heapq.heappop(self._acts)[2]()
