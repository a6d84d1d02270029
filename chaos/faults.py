"""Carry out the plan. A fault that lasts is ended when its time is over."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict

from chaos.history import FaultRecord, Log
from chaos.network_faults import NetworkFaults
from chaos.plan import Fault
from chaos.process_faults import ProcessFaults
from chaos.storage_faults import StorageFaults
from chaos.targets import Targets
from chaos.timetable import Timetable

PARTS = (ProcessFaults, NetworkFaults, StorageFaults)
Act = Callable[[Fault, FaultRecord], None]


class Faults:
    """Carries out the plan and records the faults."""

    def __init__(self, targets: Targets, plan: Iterable[Fault], log: Log) -> None:
        self.records: list[FaultRecord] = []
        self._targets = targets
        self._plan = sorted(plan, key=lambda fault: fault.at, reverse=True)
        self._log = log
        self._started = math.inf
        self._timetable = Timetable(log)
        self._parts = [part(targets, self._timetable) for part in PARTS]

    def start(self) -> None:
        """Start the clock of the plan."""
        self._started = time.monotonic()

    def tend(self) -> None:
        """Carry out the faults that are due. To be called often."""
        self._timetable.tend()
        while self._plan and self._plan[-1].at <= time.monotonic() - self._started:
            self._commit(self._plan.pop())

    def end(self) -> None:
        """End all faults, also those that are under way."""
        self._plan.clear()
        self._timetable.finish()
        self._targets.proxy.behave()
        self._targets.disk.free()
        self._targets.server.start(empty=False)

    def by_kind(self) -> dict[str, int]:
        """Return how many faults of each kind hit something."""
        return dict(sorted(Counter(record.kind for record in self.records if record.met).items()))

    def _commit(self, fault: Fault) -> None:
        record = FaultRecord(fault.kind, fault.variant, time.time(), time.time())
        self._act(fault.kind)(fault, record)
        if math.isfinite(record.until):
            record.until = time.time()
        self.records.append(record)
        self._log.write("fault", **{**asdict(record), "until": None, "seconds": fault.seconds, "pick": fault.pick})

    def _act(self, kind: str) -> Act:
        name = kind.replace("-", "_")
        act: Act = next(getattr(part, name) for part in self._parts if hasattr(part, name))
        return act
