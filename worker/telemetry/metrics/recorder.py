"""Counts for Prometheus, in files that all processes of a worker share: `prometheus_client`'s multiprocess mode.

Three things are our own. A file is named by the place of its process in the pool and not by its pid: children are
renewed all the time, and a file for each that ever was would fill the folder. The files are filled before they are
mapped, because a full disk kills a process that writes to a mapped hole. And a fork waits until no thread is
counting: the child would inherit a lock that nobody gives back.
"""

import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import billiard
import structlog
from prometheus_client import Counter, Histogram, values

from checkpointing.money import Money
from worker.telemetry.metrics import definitions as defined
from worker.telemetry.metrics.definitions import Definition, Kind
from worker.telemetry.metrics.events import Metrics

# A process writes less than half of that; a file that grows would grow by a hole.
_FILE_BYTES = 1 << 17
# Kinds of reasons are words in our code. Should one ever be made of data, it must not become a label.
_MOST_KINDS = 50
_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

log = structlog.get_logger("leafmark.metrics")


class Recorder(Metrics):
    """Counts. Where it cannot, it says so once and stops: no page waits for a figure.

    Args:
        folder: of this worker, on a local disk.

    Raises:
        OSError: nothing can be written there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = self._path = folder
        self._pid = 0
        self._name = ""
        self._failed = False
        self._kinds: set[str] = set()
        self._series: dict[tuple[str, ...], Any] = {}
        # The library reads this when it opens a file.
        os.environ[_FOLDER_VARIABLE] = str(folder)
        # As the variable would have done, had it been set before the library was loaded: Flower's plug-in for the
        # command line may have loaded it by now.
        values.ValueClass = values.MultiProcessValue(self._this_process)  # type: ignore[no-untyped-call]
        self._metrics = {each.name: _made(each) for each in defined.ALL if each.kind is not Kind.GAUGE}
        self._lock = threading.Lock()
        os.register_at_fork(
            before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._lock.release
        )

    def page(self, stage: str, outcome: str, seconds: float) -> None:
        """A message was worked off; the seconds count for pages that were done."""
        self._count(lambda: self._of(defined.PAGES, stage, outcome).inc())
        if outcome == "complete":
            self._count(lambda: self._of(defined.PAGE_SECONDS, stage).observe(seconds))

    def claim(self, stage: str, event: str) -> None:
        """As `Metrics.claim`."""
        self._count(lambda: self._of(defined.CLAIMS, stage, event).inc())

    def quarantined(self, stage: str, kind: str) -> None:
        """As `Metrics.quarantined`; of many kinds the later ones are `other`."""
        if len(self._kinds) < _MOST_KINDS:
            self._kinds.add(kind)
        known = kind if kind in self._kinds else "other"
        self._count(lambda: self._of(defined.QUARANTINED, stage, known).inc())

    def spent(self, stage: str, cost: Money) -> None:
        """As `Metrics.spent`."""
        self._count(lambda: self._of(defined.SPEND, stage).inc(cost.usd))

    def committed(self, stage: str, seconds: float, pages: int) -> None:
        """As `Metrics.committed`."""
        self._count(lambda: self._of(defined.COMMIT_SECONDS, stage).observe(seconds))
        self._count(lambda: self._of(defined.COMMIT_PAGES, stage).observe(pages))

    def healed(self, stage: str, enqueued: int, adopted: int) -> None:
        """As `Metrics.healed`."""
        self._count(lambda: self._of(defined.HEALED, stage, "enqueued").inc(enqueued))
        self._count(lambda: self._of(defined.HEALED, stage, "adopted").inc(adopted))

    def begin_at_zero(self, stages: list[str]) -> None:
        """Show counters before their first event: Prometheus sees no increase from nothing to one."""
        for each in defined.ALL:
            closed = [stages if label == "stage" else each.values.get(label, ()) for label in each.labels]
            if each.kind is Kind.COUNTER:
                for labels in itertools.product(*closed):
                    self._count(partial(self._of, each, *labels))

    def _of(self, definition: Definition, *labels: str) -> Any:
        """The series of some labels; kept, because the library takes its time to find it."""
        key = (definition.name, *labels)
        if key not in self._series:
            self._series[key] = self._metrics[definition.name].labels(*labels)
        return self._series[key]

    def _count(self, count: Callable[[], object]) -> None:
        if self._failed:
            return
        try:
            with self._lock:
                count()
        except (OSError, ValueError) as error:
            self._failed = True
            log.warning("metrics of this process stop", error=str(error))

    def _this_process(self) -> str:
        """Names this process's files; at the first call in a process they are made."""
        pid = os.getpid()
        if pid != self._pid:
            name = name_of_process()
            for kind in (Kind.COUNTER, Kind.HISTOGRAM):
                path = self._path / f"{kind}_{name}.db"
                if not path.exists():
                    # Whoever scrapes just now sees none, or all of it.
                    new = path.with_suffix(".new")
                    new.write_bytes(bytes(_FILE_BYTES))
                    new.replace(path)
            self._pid, self._name = pid, name
        return self._name


def name_of_process() -> str:
    """What no other process of this worker is called at the same time: its successor is."""
    index = getattr(billiard.current_process(), "index", None)
    return multiprocessing.current_process().name if index is None else f"pool-{index}"


def _made(definition: Definition) -> Any:
    if definition.kind is Kind.COUNTER:
        return Counter(definition.name, definition.meaning, definition.labels, registry=None)
    return Histogram(
        definition.name, definition.meaning, definition.labels, buckets=definition.buckets, registry=None
    )
