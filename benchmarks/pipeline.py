"""How well two stages overlap: a book through both, against the slower of the two alone over the same book.

The first stage stands for OCR: two processes, a set time a page. The second is the correction stage as shipped, in
a pool of threads, with a provider that takes its time. By default both are equally fast, which is the hardest case:
whatever one of them waits for the other is not made good. All sides have the same workers, which are up and have
done a short book before, and are timed from the start of `producer enqueue` to the checkpoint that says
`completed`. They take turns, and medians are compared.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.asking import provider_process, wait_until_completed
from benchmarks.ocr_pages import finish_ocr
from benchmarks.report import note, report
from producer.run.embedded_broker import embedded_broker
from tests.support.deployment import Deployment, deployment_in
from tests.support.fake_deployment import write_scan
from worker.app import make_app
from worker.config.settings import Settings
from worker.deployment import Deployment as Parts
from worker.stages.correction import CorrectionStage
from worker.stages.ocr import OcrStage

_FIRST, _SECOND = OcrStage.name, CorrectionStage.name
_APPLICATION = "benchmarks.slow_ocr"
_POOLS = {_FIRST: ("--concurrency=2",), _SECOND: ("--pool=threads", "--concurrency=8")}
_SHORT_BOOK = 16


def run(page_count: int = 200, rounds: int = 3, ocr_seconds: float = 0.25, model_seconds: float = 1.0) -> None:
    """Measure and report.

    Args:
        page_count: of the book.
        rounds: how often each side is measured.
        ocr_seconds: that the first stage takes for a page.
        model_seconds: that the provider takes for an answer.
    """
    with (
        tempfile.TemporaryDirectory() as name,
        embedded_broker(Path(name) / "broker") as broker,
        provider_process(model_seconds) as provider,
        deployment_in(Path(name) / "run", broker.url) as deployment,
    ):
        deployment.environment |= {**provider, "OCR_SECONDS": str(ocr_seconds)}
        settings = Settings(storage_root=deployment.root, redis_url=broker.url)
        line = _Line(deployment, Parts(settings, make_app(settings)))
        line.both("a-short-book", _SHORT_BOOK)
        sides: dict[str, tuple[Callable[[str, int], float], list[float]]] = {
            "first": (line.first, []),
            "second": (line.second, []),
            "both": (line.both, []),
        }
        for number in range(rounds):
            for side, (measure, seconds) in sides.items():
                seconds.append(measure(f"{side}-{number}", page_count))
                note(f"{side}: {seconds[-1]:.2f} s")
    first, second, both = (statistics.median(seconds) for _, seconds in sides.values())
    slower, words = max((first, _FIRST), (second, _SECOND))
    report(
        f"{page_count} pages through {_FIRST} and {_SECOND}",
        both,
        "s",
        f"{words} alone, the slower one: {slower:.2f} s; both, one after the other: {first + second:.2f} s; "
        "at most 1.1 is the target",
        both / slower,
    )


class _Line:
    """The workers of both stages, and books for them."""

    def __init__(self, deployment: Deployment, parts: Parts) -> None:
        self._deployment = deployment
        self._parts = parts
        for stage, pool in _POOLS.items():
            deployment.start_worker_of(_APPLICATION, f"--queues={stage}", f"--hostname={stage}@%h", *pool)
        deployment.wait_until_ready()

    def first(self, scan_id: str, page_count: int) -> float:
        """Seconds that the first stage takes alone."""
        write_scan(self._deployment.root, scan_id, page_count)
        return self._seconds(scan_id, _FIRST, _FIRST)

    def second(self, scan_id: str, page_count: int) -> float:
        """Seconds that the second stage takes alone, over a book that the first is done with."""
        write_scan(self._deployment.root, scan_id, page_count)
        finish_ocr(self._parts, scan_id, page_count)
        return self._seconds(scan_id, _SECOND, _SECOND)

    def both(self, scan_id: str, page_count: int) -> float:
        """Seconds that both take, enqueued at once."""
        write_scan(self._deployment.root, scan_id, page_count)
        return self._seconds(scan_id, _FIRST, _SECOND)

    def _seconds(self, scan_id: str, first: str, last: str) -> float:
        started = time.time()
        self._deployment.producer_from_its_start("enqueue", scan_id, "--stage", first, "--through", last)
        return max(wait_until_completed(self._deployment, scan_id, stage) for stage in (first, last)) - started
