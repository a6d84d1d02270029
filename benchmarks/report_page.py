"""How long a report takes to open: that of a long book in headless Chromium, against a bare page of the same size.

Both files have the same pictures and texts in the same number of bytes, about. The bare one has no style sheet, no
script and no markup but what holds them. Opened is from a file, in a window of its own each time, until the page is
loaded and two frames have been drawn. They take turns; the medians are compared.
"""

import html
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from benchmarks.report import note, report
from producer.report.collect import collect
from producer.report.model import BookReport
from producer.report.render import render
from sample import pages
from sample.render import render as print_page
from tests.support.browser import chromium
from tests.support.report_book import SCAN, ReportBook, make_book

_MIB = 1 << 20
_TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
_ERRORS = (("the", "tlie"), ("and", "aud"), ("was", "w as"), ("her", "ber"))


def run(page_count: int = 500, rounds: int = 7) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        note(f"Making a book of {page_count} pages ...")
        book = make_book(folder / "scans", _pictures(page_count))
        _fill(book)
        note("Making the report ...")
        started = time.perf_counter()
        collected = collect(book.parts.store, SCAN)
        made = render(collected)
        making = time.perf_counter() - started
        ours, bare = folder / "report.html", folder / "bare.html"
        ours.write_text(made)
        bare.write_text(_bare(collected, len(made)))
        opened: dict[Path, list[float]] = {ours: [], bare: []}
        with chromium() as browser:
            for path in (ours, bare):
                _open(browser, path)  # What the browser loads when first used is loaded now.
            for _ in range(rounds):
                for path, seconds in opened.items():
                    seconds.append(_open(browser, path))
                note(f"report: {opened[ours][-1]:.2f} s, bare page: {opened[bare][-1]:.2f} s")
        size, bare_size = ours.stat().st_size, bare.stat().st_size
    value, yardstick = statistics.median(opened[ours]), statistics.median(opened[bare])
    report(
        f"report of {page_count} pages opened in headless Chromium",
        value,
        "s",
        f"bare page of {bare_size / _MIB:.1f} MiB with the same pictures: {yardstick:.3f} s",
        value / yardstick,
    )
    report(f"size of a report of {page_count} pages", size / _MIB, "MiB", "none", None)
    report(f"making a report of {page_count} pages", making, "s", "none", None)


def _pictures(page_count: int) -> Iterator[Image.Image]:
    """Pages of the sample book as a scanner leaves them, over and over."""
    printed = [print_page(page) for page in pages(14)]
    return islice(cycle(printed), page_count)


def _fill(book: ReportBook) -> None:
    """Let all pages be complete in all stages, with the text of a page of print and five edits each."""
    text = max((page.text for page in pages(14)), key=len)
    read = text
    for right, wrong in _ERRORS:
        read = read.replace(f" {right} ", f" {wrong} ", 1)
    book.complete("ocr", book.read(read))
    for stage, micro in (("correction", 400), ("fix", 100)):
        book.complete(stage, book.corrected(read, text), cost_micro=dict.fromkeys(book.pages, micro), calls=False)
    book.complete("structure", book.structured(), cost_micro=dict.fromkeys(book.pages, 100), calls=False)


def _bare(collected: BookReport, size: int) -> str:
    """The same pictures and texts, and filled up to the same size with what a browser only reads."""
    parts = ["<!doctype html><meta charset=utf-8><title>bare</title>"]
    parts += [f'<img src="{each.thumbnail}">' for each in collected.pictures.values()]
    for page in collected.pages:
        picture = collected.pictures[page.number].picture
        texts = "".join(
            f"<p>{html.escape(region.before)}<p>{html.escape(region.before)}" for region in page.regions
        )
        parts.append(f'<div hidden>{texts}<img data-src="{picture}"></div>')
    bare = "\n".join(parts)
    return f"{bare}<!--{' ' * max(0, size - len(bare))}-->"


def _open(browser: Browser, path: Path) -> float:
    """Seconds until a file is shown."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        started = time.perf_counter()
        page.goto(path.as_uri(), wait_until="load")
        page.evaluate(_TWO_FRAMES)
        return time.perf_counter() - started
