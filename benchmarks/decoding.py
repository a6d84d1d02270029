"""How much of a page is spent on reading its file and decoding it: the most that reading ahead could save."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.known_pages import collections
from benchmarks.report import cpu_seconds_of, note, report
from sample import pages, write_pdf
from sample.one_page import OnePage
from worker.pages.sources.base import PageSource
from worker.pages.sources.images import ImageSource
from worker.pages.sources.pdf import PdfSource
from worker.stages.ocr import OcrStage

_DPI = (300, 300)


def run(page_count: int = 4, rounds: int = 3) -> None:
    """Measure and report: pages of the sample book as a PDF, and all known pages as PNG files."""
    stage = OcrStage()
    stage.prepare()
    with tempfile.TemporaryDirectory() as name:
        book = write_pdf(Path(name) / "book.pdf", [page for page in pages() if page.text][:page_count])
        _measure(stage, "the sample book, PDF", [book], partial(PdfSource, book), rounds)
        for collection in collections(page_count):
            files = [Path(name) / f"page_{number}.png" for number in range(len(collection.pages))]
            for file, page in zip(files, collection.pages, strict=True):
                page.image().save(file, dpi=_DPI)
            open_source = partial(ImageSource, [(file, 1) for file in files])
            _measure(stage, f"{collection.name}, PNG", files, open_source, rounds)


def _measure(
    stage: OcrStage, what: str, files: Sequence[Path], open_source: Callable[[], PageSource], rounds: int
) -> None:
    reading, decoding, all_of_it = [], [], []
    for _ in range(rounds):
        with closing(open_source()) as source:
            reading.append(_seconds_from_disk(files) / source.total_pages)
            for number in range(1, source.total_pages + 1):
                started = time.process_time()
                page = OnePage(source.page(number))
                decoding.append(time.process_time() - started)
                all_of_it.append(decoding[-1] + cpu_seconds_of(partial(stage.run, 1, page)))
                note(f"{what}: {number} of {source.total_pages} pages")
    whole = statistics.mean(all_of_it)
    for name, unit, seconds in (("reading", "s", reading), ("decoding", "CPU s", decoding)):
        mean = statistics.mean(seconds)
        report(f"{name} a page, {what}", mean, unit, f"all of a page: {whole:.3f} CPU s", mean / whole)


def _seconds_from_disk(files: Sequence[Path]) -> float:
    """Return how long it takes to read files that are not in memory, where the system allows to remove them."""
    for file in files:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    started = time.perf_counter()
    for file in files:
        file.read_bytes()
    return time.perf_counter() - started
