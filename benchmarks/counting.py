"""What metrics cost: what a page pays for being counted, on and off, and what a scrape takes."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from benchmarks.report import note, report, seconds_of
from checkpointing.atomic import write_durably
from worker.queue.messages import Outcome, PageMessage
from worker.stages.registry import STAGES
from worker.telemetry.metrics.events import Metrics, metrics, use
from worker.telemetry.metrics.recorder import Recorder

_RAW = b"leafmark " * 777
_PROCESSES = 16


def _only_count(message: PageMessage) -> None:
    """Record what `process_page` records of a page that becomes complete."""
    started = time.monotonic()
    metrics().claim(message.stage, "taken")
    metrics().page(message.stage, Outcome.COMPLETE.value, time.monotonic() - started)


def run(page_count: int = 20_000, rounds: int = 5) -> None:
    """Measure and report.

    Args:
        page_count: pages that are counted in each round.
        rounds: each side is measured so often, in turn; medians are compared.
    """
    note(f"counting: {page_count} pages, {rounds} rounds")
    message = PageMessage(scan_id="a-book", stage="ocr", page=1)
    off, on, saved, scraped = [], [], [], []
    with tempfile.TemporaryDirectory() as temp:
        folder, file = Path(temp) / "figures", Path(temp) / "page_0001.json"
        folder.mkdir()
        counting = Recorder(folder)
        try:
            for _ in range(rounds):
                use(Metrics())
                off.append(seconds_of(lambda: _count(message, page_count)) / page_count)
                use(counting)
                on.append(seconds_of(lambda: _count(message, page_count)) / page_count)
                saved.append(seconds_of(lambda: _times(100, lambda: write_durably(file, _RAW, bytes))) / 100)
        finally:
            use(Metrics())
        counting.begin_at_zero(list(STAGES))
        _as_many_processes(folder)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # half typed
        scraped = [seconds_of(lambda: generate_latest(registry)) for _ in range(rounds)]
    save = statistics.median(saved)
    # A save takes hundreds of times as long: that, and not a ratio of nothing.
    yardstick = f"times as long: one durable save of 7 KB, {save * 1e6:.0f} µs"
    for name, seconds in (("on", statistics.median(on)), ("off", statistics.median(off))):
        report(f"counting a page, metrics {name}", seconds * 1e6, "µs", yardstick, save / seconds)
    report(f"a scrape of {_PROCESSES} processes", statistics.median(scraped) * 1e3, "ms", "none", None)


def _count(message: PageMessage, pages: int) -> None:
    _times(pages, lambda: _only_count(message))


def _times(number: int, work: Callable[[], object]) -> None:
    for _ in range(number):
        work()


def _as_many_processes(folder: Path) -> None:
    """Let the folder look as that of a worker with a pool of so many."""
    for path in list(folder.glob("*.db")):
        kind = path.name.partition("_")[0]
        for number in range(1, _PROCESSES):
            (folder / f"{kind}_pool-{number}.db").write_bytes(path.read_bytes())
