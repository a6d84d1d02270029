"""How well the default engine reads pages whose text is known: through the OCR stage, measured as by `evaluate`."""

import statistics
import time
from collections.abc import Sequence

from benchmarks.known_pages import KnownPage, collections
from benchmarks.report import note, report
from checkpointing.plurals import counted
from producer.evaluate.bootstrap import intervals
from producer.evaluate.evaluate import measure_page
from producer.evaluate.measure import Counts
from producer.evaluate.model import PageResult
from producer.evaluate.readings import text_of
from sample.one_page import OnePage
from worker.ocr.engines.base import Engine
from worker.ocr.engines.registry import make_engine
from worker.pages.sources.base import PageImage
from worker.stages.ocr import OcrStage
from worker.stages.options import OcrOptions

_DPI = 300.0


def run(page_count: int | None = None, rounds: int = 1) -> None:
    """Measure and report."""
    engine = make_engine(OcrOptions())
    engine.load()
    note(f"{engine.name} {engine.version}")
    for collection in collections(page_count):
        _measure(engine, collection.name, collection.pages, rounds)


def _measure(engine: Engine, name: str, known: Sequence[KnownPage], rounds: int) -> None:
    stage = OcrStage(engine=engine)
    results: list[PageResult] = []
    cpu_seconds: list[float] = []
    for number, page in enumerate(known, start=1):
        inputs = OnePage(PageImage(page.image(), _DPI))
        times = []
        for _ in range(rounds):
            started = time.process_time()
            read = stage.run(1, inputs)
            times.append(time.process_time() - started)
        cpu_seconds.append(statistics.median(times))
        results.append(measure_page(number, page.text, text_of(read.model_dump()["regions"])))
        note(f"{name}: {number} of {len(known)} pages")
    _report(f"{name}, {engine.name}", results, cpu_seconds)


def _report(name: str, results: Sequence[PageResult], cpu_seconds: Sequence[float]) -> None:
    for kind in ("as_read", "normalised"):
        counts: list[Counts] = [getattr(result, kind) for result in results]
        book, found = sum(counts, Counts()), intervals(counts)
        for rate in ("cer", "wer", "word_recall", "word_order"):
            value, interval = getattr(book, rate), getattr(found, rate)
            shown = "none" if interval is None else f"95 % interval: {interval[0]:.4f} to {interval[1]:.4f}"
            report(f"{rate} {kind}, {name}, {counted(len(results), 'page')}", value or 0.0, "of 1", shown, None)
    report(f"core-seconds a page, {name}", statistics.mean(cpu_seconds), "CPU s", "none", None)
