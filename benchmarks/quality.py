"""How well the default engine reads: pages whose text is known, through the OCR stage, measured as `evaluate` does.

The sample book is always there. Real print is measured where it is: in the folder that `LEAFMARK_TRUTH` names,
else in `../shared/truth` beside the project. `NAME.png` with `NAME.txt` is a page; the lines in `lines/` are set on
pages of 25 with some white between them.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.report import note, report
from checkpointing.plurals import counted
from producer.evaluate.bootstrap import intervals
from producer.evaluate.evaluate import measure_page
from producer.evaluate.measure import Counts
from producer.evaluate.model import PageResult
from producer.evaluate.readings import text_of
from sample import pages
from sample.render import render
from worker.ocr.engines.base import Engine
from worker.ocr.engines.registry import make_engine
from worker.pages.sources.base import PageImage
from worker.stages.ocr import OcrStage
from worker.stages.options import OcrOptions

TRUTH_VARIABLE = "LEAFMARK_TRUTH"
_BESIDE = Path(__file__).parents[2] / "shared" / "truth"
_LINES_A_PAGE = 25
_GAP, _MARGIN, _WHITE = 30, 100, 255
_DPI = 300.0


@dataclass(frozen=True, slots=True)
class KnownPage:
    """A page whose text is known; `image` draws or opens it."""

    text: str
    image: Callable[[], Image.Image]


def run(page_count: int | None = None, rounds: int = 1) -> None:
    """Measure and report."""
    engine = make_engine(OcrOptions())
    engine.load()
    note(f"{engine.name} {engine.version}")
    for name, known in corpora(page_count):
        _measure(engine, name, known, rounds)


def corpora(page_count: int | None = None) -> Iterator[tuple[str, Sequence[KnownPage]]]:
    """Yield each collection of pages with its name; of the sample book and of the lines so many pages at most."""
    printed = [page for page in pages() if page.text][:page_count]
    yield "the sample book", [KnownPage(page.text, lambda page=page: render(page)) for page in printed]  # type: ignore[misc]
    folder = Path(os.environ.get(TRUTH_VARIABLE) or _BESIDE)
    if not folder.is_dir():
        note(f"No real print: there is no folder {folder}; {TRUTH_VARIABLE} names another one")
        return
    for image in sorted(folder.glob("*.png")):
        if (text := image.with_suffix(".txt")).exists():
            yield image.stem, [KnownPage(text.read_text(encoding="utf-8"), lambda image=image: _opened(image))]  # type: ignore[misc]
    lines = [image for image in sorted((folder / "lines").glob("*.png")) if image.with_suffix(".txt").exists()]
    sets = [lines[start : start + _LINES_A_PAGE] for start in range(0, len(lines), _LINES_A_PAGE)][:page_count]
    if sets:
        yield f"lines of print in pages of {_LINES_A_PAGE}", [_page_of(each) for each in sets]


def _page_of(lines: Sequence[Path]) -> KnownPage:
    text = "\n".join(line.with_suffix(".txt").read_text(encoding="utf-8").strip() for line in lines)
    return KnownPage(text, lambda: _set_below_each_other([_opened(line) for line in lines]))


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _set_below_each_other(lines: Sequence[Image.Image]) -> Image.Image:
    size = (max(line.width for line in lines), sum(line.height + _GAP for line in lines))
    page = Image.new("RGB", (size[0] + 2 * _MARGIN, size[1] + 2 * _MARGIN), (_WHITE,) * 3)
    top = _MARGIN
    for line in lines:
        page.paste(line, (_MARGIN, top))
        top += line.height + _GAP
    return page


class _OnePage:
    """The inputs of the OCR stage: a picture and nothing else."""

    total_pages = 1

    def __init__(self, image: Image.Image) -> None:
        self._image = image

    def image(self, _page: int) -> PageImage:
        return PageImage(self._image, _DPI)

    def output(self, _stage: str, page: int) -> dict[str, Any]:
        raise LookupError(page)


def _measure(engine: Engine, name: str, known: Sequence[KnownPage], rounds: int) -> None:
    stage = OcrStage(engine=engine)
    results: list[PageResult] = []
    cpu_seconds: list[float] = []
    for number, page in enumerate(known, start=1):
        inputs = _OnePage(page.image())
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
