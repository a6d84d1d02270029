"""How fast and how well Leafmark reads, beside its engine alone, OCRmyPDF and plain Tesseract on the same images.

All programs read the same book in turns, each from its start to its end. CPU seconds are those of all its
processes, since the wall clock of a busy machine says little. A single page is repeated: a book of one page would
show little but the start of the programs.
"""

import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.known_pages import Collection, collections
from benchmarks.readers import (
    EARLIER_ENGINE,
    ENGINE,
    LEAFMARK,
    OCRMYPDF,
    Book,
    Measured,
    Reading,
    readers,
    write_pdf,
)
from benchmarks.report import note, report
from producer.evaluate.evaluate import measure_page
from producer.evaluate.measure import Counts

_DPI = 300
_MIN_PAGES = 5
"""Of a book: two of its pages include the loading of the engine, and the median is not to be one of them."""


def run(page_count: int | None = None, rounds: int = 2) -> None:
    """Measure and report."""
    for collection in collections(page_count):
        with tempfile.TemporaryDirectory() as name:
            _report(collection, _measure(collection, Path(name), rounds))


def _measure(collection: Collection, folder: Path, rounds: int) -> Mapping[str, Sequence[Measured]]:
    """Return what each program took and read in each round, by its name."""
    programs = readers(collection.languages)
    book = _write_book(collection, folder)
    if any(program.name.startswith(OCRMYPDF) for program in programs):
        write_pdf(book)
    measured: dict[str, list[Measured]] = defaultdict(list)
    for number in range(1, rounds + 1):
        for program in programs:
            taken = program.measure(book)
            measured[program.name].append(taken)
            took = f"{taken.seconds:.1f} s, {taken.cpu_seconds:.1f} CPU s, load {os.getloadavg()[0]:.1f}"
            note(f"{collection.name}, round {number}: {program.name}: {took}")
    return measured


def _write_book(collection: Collection, folder: Path) -> Book:
    book = Book(folder / "pages", folder / "book.pdf")
    book.folder.mkdir()
    for number in range(_length(collection)):
        page = collection.pages[number % len(collection.pages)]
        page.image().save(book.folder / f"page_{number + 1:04}.png", dpi=(_DPI, _DPI))
    return book


def _length(collection: Collection) -> int:
    return max(len(collection.pages), _MIN_PAGES)


def _report(collection: Collection, measured: Mapping[str, Sequence[Measured]]) -> None:
    count = _length(collection)
    where = f"{collection.name}, {count} pages"
    rates, cpu = {}, {}
    for name, taken in measured.items():
        rates[name] = count / statistics.median(each.seconds for each in taken)
        cpu[name] = statistics.median(each.cpu_seconds for each in taken) / count
    yardstick = next((name for name in measured if name.startswith(OCRMYPDF)), None)
    for name, taken in measured.items():
        _compare(f"pages a second, {where}", "pages/s", rates, name, yardstick)
        _compare(f"core-seconds a page, {where}", "CPU s", cpu, name, yardstick)
        _report_errors(f"{where}, {name}", collection, taken[0].reading)
    of_pages = {name: found for name, taken in measured.items() if (found := _cpu_of_a_page(taken))}
    _compare(f"core-seconds a page, programs loaded, {where}", "CPU s", of_pages, LEAFMARK, ENGINE)
    _compare(f"core-seconds a page, programs loaded, {where}", "CPU s", of_pages, ENGINE, EARLIER_ENGINE)


def _compare(what: str, unit: str, values: Mapping[str, float], name: str, yardstick: str | None) -> None:
    if yardstick is None or yardstick == name or yardstick not in values:
        report(f"{what}, {name}", values[name], unit, "none", None)
        return
    beside = values[yardstick]
    report(f"{what}, {name}", values[name], unit, f"{yardstick}: {beside:.3f} {unit}", values[name] / beside)


def _cpu_of_a_page(rounds: Sequence[Measured]) -> float | None:
    """Return the CPU seconds of a page; None if they are not known.

    It is the median over pages and rounds, because a few pages include the loading of the engine.
    """
    seconds = [seconds for taken in rounds for seconds in taken.reading.page_cpu_seconds]
    return statistics.median(seconds) if seconds else None


def _report_errors(where: str, collection: Collection, reading: Reading) -> None:
    """Report the error rates of the first reading of each page."""
    if len(reading.texts) != _length(collection):
        raise RuntimeError(f"{where}: {len(reading.texts)} pages were read")
    results = [
        measure_page(number, page.text, text)
        for number, (page, text) in enumerate(zip(collection.pages, reading.texts, strict=False), start=1)
    ]
    for kind in ("as_read", "normalised"):
        total: Counts = sum((getattr(result, kind) for result in results), Counts())
        for rate in ("cer", "wer", "word_recall") if reading.has_order else ("word_recall",):
            report(f"{rate} {kind}, {where}", getattr(total, rate) or 0.0, "of 1", "none", None)
