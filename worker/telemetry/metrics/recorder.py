"""Counts for Prometheus, in one file per process of a worker: `prometheus_client`'s multiprocess mode.

Three things differ from the library. A file is named by the place of its process in the pool and not by its pid,
because pool processes are replaced all the time and their files would fill the folder. The files are filled with
zeros before they are mapped, because a full disk kills a process that writes to a hole of a mapped file. And a fork
waits until no thread is counting, because the child would inherit a lock that is never released.
"""

import itertools
import multiprocessing
import os
import threading
from pathlib import Path
from typing import Any

import billiard
import structlog
from prometheus_client import Counter, Histogram, values

from checkpointing.money import Money
from worker.telemetry.metrics import definitions as defined
from worker.telemetry.metrics.definitions import Definition, Kind
from worker.telemetry.metrics.events import Metrics

# A process writes less than half of that. A file that grows would grow by a hole.
_FILE_BYTES = 1 << 17
# Kinds of reasons are words in the code. If one is ever made of data, labels must not grow without end.
_MAX_KINDS = 50
_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

log = structlog.get_logger("leafmark.metrics")


class Recorder(Metrics):
    """Counts events. If that fails, it logs one warning and stops counting, so that no page waits for a metric.

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
        # The library reads the variable at import too, and Flower's plug-in for the command line may have imported
        # it before it was set.
        values.ValueClass = values.MultiProcessValue(self._this_process)  # type: ignore[no-untyped-call]
        self._metrics = {each.name: _made(each) for each in defined.ALL if each.kind is not Kind.GAUGE}
        self._lock = threading.Lock()
        os.register_at_fork(
            before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._lock.release
        )

    def page(self, stage: str, outcome: str, seconds: float) -> None:
        """Count a message; the seconds count if the page is complete."""
        self._add(1, defined.PAGES, stage, outcome)
        if outcome == "complete":
            self._add(seconds, defined.PAGE_SECONDS, stage)

    def claim(self, stage: str, event: str) -> None:
        """Count an event of a claim."""
        self._add(1, defined.CLAIMS, stage, event)

    def quarantined(self, stage: str, kind: str) -> None:
        """Count a page in quarantine. After 50 kinds of reasons, new ones count as `other`."""
        if len(self._kinds) < _MAX_KINDS:
            self._kinds.add(kind)
        self._add(1, defined.QUARANTINED, stage, kind if kind in self._kinds else "other")

    def spent(self, stage: str, cost: Money) -> None:
        """Count the cost of an answer."""
        self._add(cost.usd, defined.SPEND, stage)

    def committed(self, stage: str, seconds: float, pages: int) -> None:
        """Count a commit."""
        self._add(seconds, defined.COMMIT_SECONDS, stage)
        self._add(pages, defined.COMMIT_PAGES, stage)

    def recovered(self, stage: str, enqueued: int, adopted: int) -> None:
        """Count lost pages that were enqueued again or adopted."""
        self._add(enqueued, defined.HEALED, stage, "enqueued")
        self._add(adopted, defined.HEALED, stage, "adopted")

    def begin_at_zero(self, stages: list[str]) -> None:
        """Show counters before their first event: Prometheus does not see an increase from nothing to 1."""
        for each in defined.ALL:
            closed = [stages if label == "stage" else each.values.get(label, ()) for label in each.labels]
            if each.kind is Kind.COUNTER:
                for labels in itertools.product(*closed):
                    self._add(0, each, *labels)

    def _add(self, amount: float, definition: Definition, *labels: str) -> None:
        """Add to a counter or a histogram. Series are cached because the library looks them up slowly."""
        if self._failed:
            return
        key = (definition.name, *labels)
        try:
            with self._lock:
                if key not in self._series:
                    self._series[key] = self._metrics[definition.name].labels(*labels)
                series = self._series[key]
                series.inc(amount) if definition.kind is Kind.COUNTER else series.observe(amount)
        except (OSError, ValueError) as error:
            self._failed = True
            log.warning("metrics of this process stop", error=str(error))

    def _this_process(self) -> str:
        """Return the name of this process's files. The first call in a process creates them."""
        pid = os.getpid()
        if pid != self._pid:
            name = name_of_process()
            for kind in (Kind.COUNTER, Kind.HISTOGRAM):
                path = self._path / f"{kind}_{name}.db"
                if not path.exists():
                    # Renamed when complete, so that a scrape sees no part of a file.
                    new = path.with_suffix(".new")
                    new.write_bytes(bytes(_FILE_BYTES))
                    new.replace(path)
            self._pid, self._name = pid, name
        return self._name


def name_of_process() -> str:
    """Return a name that no other live process of this worker has; the successor of this process gets it."""
    index = getattr(billiard.current_process(), "index", None)
    return multiprocessing.current_process().name if index is None else f"pool-{index}"


def _made(definition: Definition) -> Any:
    names = definition.name, definition.meaning, definition.labels
    if definition.kind is Kind.COUNTER:
        return Counter(*names, registry=None)
    return Histogram(*names, buckets=definition.buckets, registry=None)
