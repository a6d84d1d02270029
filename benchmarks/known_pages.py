"""Pages whose text is known: the sample book, and real print where it is.

Real print is in the folder that `LEAFMARK_TRUTH` names, else in `../shared/truth` beside the project. `NAME.png`
with `NAME.txt` is a page in English; the lines in `lines/`, which are German, are set on pages of 25 with some
white between them.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from benchmarks.report import note
from sample import pages
from sample.render import render

TRUTH_VARIABLE = "LEAFMARK_TRUTH"
_BESIDE = Path(__file__).parents[2] / "shared" / "truth"
_LINES_A_PAGE = 25
_GAP, _MARGIN, _WHITE = 30, 100, 255
_ENGLISH = ("eng",)
_GERMAN = ("frk", "script/Fraktur", "deu")


@dataclass(frozen=True, slots=True)
class KnownPage:
    """A page whose text is known; `image` draws or opens it."""

    text: str
    image: Callable[[], Image.Image]


@dataclass(frozen=True, slots=True)
class Collection:
    """Pages of one kind.

    Attributes:
        name: for the figures.
        pages: of the collection.
        languages: what Tesseract can read them with, by the names of its data files; the most suitable first.
    """

    name: str
    pages: Sequence[KnownPage]
    languages: Sequence[str] = _ENGLISH


def collections(page_count: int | None = None) -> Iterator[Collection]:
    """Yield each collection; of the sample book and of the lines at most `page_count` pages."""
    printed = [page for page in pages() if page.text][:page_count]
    yield Collection("the sample book", [KnownPage(page.text, partial(render, page)) for page in printed])
    folder = Path(os.environ.get(TRUTH_VARIABLE) or _BESIDE)
    if not folder.is_dir():
        note(f"No real print: there is no folder {folder}; {TRUTH_VARIABLE} names another one")
        return
    for image in sorted(folder.glob("*.png")):
        if (text := image.with_suffix(".txt")).exists():
            known = KnownPage(text.read_text(encoding="utf-8"), partial(_opened, image))
            yield Collection(image.stem, [known])
    lines = [image for image in sorted((folder / "lines").glob("*.png")) if image.with_suffix(".txt").exists()]
    sets = [lines[start : start + _LINES_A_PAGE] for start in range(0, len(lines), _LINES_A_PAGE)][:page_count]
    if sets:
        yield Collection(f"lines of print in pages of {_LINES_A_PAGE}", [_page_of(each) for each in sets], _GERMAN)


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
