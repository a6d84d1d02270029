"""What a page costs beside its engine: a book through two workers, against the engine alone in two processes.

Both sides get the same page images, in the same order, in two processes that are up but have not loaded the
engine. The yardstick decodes a page and recognises it, and does nothing else: no layout, no output, no queue, no
checkpoint. The two take turns, in as many rounds as asked for, and the medians are compared.
"""

import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.report import note, report
from producer.run.embedded_broker import embedded_broker
from sample import pages, write_image_folder
from tests.support.deployment import Deployment, deployment_in
from worker.ocr.engines.registry import make_engine
from worker.stages.options import OcrOptions

PROCESSES = 2


def run(page_count: int = 40, rounds: int = 1) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        note(f"Rendering a book of {page_count} pages ...")
        book = write_image_folder(folder / "book", pages(page_count))
        with embedded_broker(folder / "broker") as broker, deployment_in(folder / "run", broker.url) as deployment:
            ours, engine = [], []
            for number in range(rounds):
                engine.append(_engine_alone(book))
                note(f"engine alone: {engine[-1]:.1f} s")
                ours.append(_leafmark(deployment, book, f"round-{number}", page_count))
                note(f"leafmark: {ours[-1]:.1f} s")
    value, yardstick = statistics.median(ours), statistics.median(engine)
    report(
        f"book of {page_count} pages through {PROCESSES} workers",
        value,
        "s",
        f"engine alone in {PROCESSES} processes: {yardstick:.2f} s",
        value / yardstick,
    )


def _engine_alone(book: Path) -> float:
    """Seconds that the bare engine takes for all pages in two processes."""
    context: Any = multiprocessing.get_context("spawn")
    images = sorted(book.iterdir(), key=lambda path: int(path.stem.rpartition("_")[2]))
    work, ready, done = context.Queue(), context.Queue(), context.Queue()
    processes = [context.Process(target=_recognise, args=(work, ready, done)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for _ in processes:
        ready.get(timeout=60)
    started = time.monotonic()
    for path in [*images, *[None] * PROCESSES]:
        work.put(path)
    for _ in images:
        done.get(timeout=600)
    seconds = time.monotonic() - started
    for process in processes:
        process.join()
    return seconds


def _recognise(work: "Queue[Path | None]", ready: "Queue[bool]", done: "Queue[bool]") -> None:
    engine = make_engine(OcrOptions())
    ready.put(True)
    while (path := work.get()) is not None:
        with Image.open(path) as image:
            engine.recognise(image.convert("RGB"))
        done.put(True)


def _leafmark(deployment: Deployment, book: Path, scan_id: str, page_count: int) -> float:
    """Seconds from the enqueue to the checkpoint that says `completed`."""
    deployment.producer("ingest", book, "--scan-id", scan_id)
    workers = [deployment.start_worker() for _ in range(PROCESSES)]
    deployment.wait_until_ready()
    started = time.monotonic()
    deployment.producer_from_its_start("enqueue", scan_id)
    deployment.wait_for_status(scan_id, "completed", timeout=600)
    seconds = time.monotonic() - started
    if len(deployment.outputs(scan_id)) != page_count:
        raise RuntimeError(f"only {len(deployment.outputs(scan_id))} of {page_count} pages have outputs")
    for worker in workers:
        worker.terminate()
        worker.wait(60)
    return seconds
