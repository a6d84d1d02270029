"""How fast and how well very long lines are read, beside the same print in lines of ordinary length.

The page is drawn: a few lines of the sample book's text, each as long as the page is wide. It is read by the engine
alone, in a process of its own for each page. With `LEAFMARK_EARLIER` an earlier version reads it too.
"""

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from benchmarks.readers import EARLIER_ENGINE, ENGINE, Book, Measured, engines
from benchmarks.report import note, report
from producer.evaluate.evaluate import measure_page
from sample import pages

_WIDTHS = (1500, 8000, 12_000)
_SIZE, _MARGIN = 28, 60
_PAPER, _INK = 235, 30
_MIB = 1 << 20


def run(page_count: int = 3, rounds: int = 3) -> None:
    """Measure and report.

    Args:
        page_count: lines of 12,000 pixels; the other pages have as many characters.
        rounds: how often each page is read.
    """
    yardstick: Mapping[str, float] = {}
    for width in _WIDTHS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "pages"
            folder.mkdir()
            lines = _set_lines(width, page_count * max(_WIDTHS) // width)
            _draw(lines, width).save(folder / "page_0001.png")
            found = _measure(Book(folder, Path(name) / "book.pdf"), rounds)
        yardstick = _report(width, lines, found, yardstick)


def _set_lines(width: int, count: int) -> list[str]:
    font = ImageFont.load_default(_SIZE)
    words = iter(" ".join(" ".join(page.body) for page in pages() if page.body).split() * 20)
    lines, line = [], next(words)
    while len(lines) < count:
        longer = f"{line} {next(words)}"
        if font.getlength(longer) > width - 2 * _MARGIN:
            lines.append(line)
            longer = longer.rpartition(" ")[2]
        line = longer
    return lines


def _draw(lines: Sequence[str], width: int) -> Image.Image:
    page = Image.new("L", (width, 2 * _MARGIN + 2 * _SIZE * len(lines)), _PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(_SIZE)
    for number, line in enumerate(lines):
        pen.text((_MARGIN, _MARGIN + 2 * _SIZE * number), line, _INK, font)
    return page


def _measure(book: Book, rounds: int) -> Mapping[str, Sequence[Measured]]:
    programs = engines()
    found: dict[str, list[Measured]] = {program.name: [] for program in programs}
    for number in range(1, rounds + 1):
        for program in programs:
            found[program.name].append(program.measure(book))
            note(f"{program.name}: round {number} of {rounds}")
    return found


def _report(
    width: int, lines: Sequence[str], found: Mapping[str, Sequence[Measured]], yardstick: Mapping[str, float]
) -> Mapping[str, float]:
    """Report one page; return the core-seconds of the page with the shortest lines."""
    characters = sum(map(len, lines))
    seconds = {
        name: 1000 / characters * statistics.median(each.reading.page_cpu_seconds[0] for each in taken)
        for name, taken in found.items()
    }
    where = f"lines of {width} pixels"
    for name, taken in found.items():
        beside = yardstick.get(name)
        report(
            f"core-seconds for 1,000 characters, {where}, {name}",
            seconds[name],
            "CPU s",
            "none" if beside is None else f"lines of {_WIDTHS[0]} pixels: {beside:.3f} CPU s",
            beside and seconds[name] / beside,
        )
        peak = statistics.median(each.reading.peak_bytes for each in taken)
        report(f"peak memory, {where}, {name}", peak / _MIB, "MiB", "none", None)
        rate = measure_page(1, "\n".join(lines), taken[0].reading.texts[0]).normalised.cer
        report(f"cer normalised, {where}, {name}", rate or 0.0, "of 1", "none", None)
    if EARLIER_ENGINE in seconds:
        earlier = seconds[EARLIER_ENGINE]
        beside_it = f"{EARLIER_ENGINE}: {earlier:.3f} CPU s"
        report(
            f"core-seconds beside an earlier version, {where}",
            seconds[ENGINE],
            "CPU s",
            beside_it,
            seconds[ENGINE] / earlier,
        )
    return yardstick or seconds
