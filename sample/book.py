"""The pages of the sample book as typed data: what is printed on each, known to the letter.

A book of any length: the book itself, and past its end its text pages again under new page numbers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from itertools import chain, cycle, islice

from sample.text import AUTHOR, CAPTION, CHAPTERS, PUBLISHER, RUNNING_TITLE, TITLE, Chapter
from sample.typesetting import Line, PageFormat, set_paragraph

POCKET = PageFormat(
    width=1250,
    height=1750,
    dpi=300,
    side_margin=165,
    top_margin=190,
    bottom_margin=180,
    type_size=33,
    leading=51,
)
"""A page of the book: 27 lines on 300 by 420 points, scanned at 300 dots an inch."""

SLIP = PageFormat(
    width=400,
    height=400,
    dpi=300,
    side_margin=35,
    top_margin=70,
    bottom_margin=90,
    type_size=32,
    leading=70,
)
"""A small page of three lines, for tests that need many pages and want each recognised quickly.

It is square because text detectors enlarge a picture until its shorter side is long enough for them.
"""

SLIP_LINES = 2
PARAGRAPH_INDENT = 44
PLATE_NUMBER = 6


class PageKind(StrEnum):
    """What a page of the sample is."""

    TITLE = "title"
    BLANK = "blank"
    CHAPTER = "chapter"
    TEXT = "text"
    PICTURE = "picture"
    SLIP = "slip"


@dataclass(frozen=True, slots=True)
class SamplePage:
    """One page, as printed.

    Attributes:
        number: from 1; printed on it, and the seed of its paper, noise and skew.
        kind: decides on running head and page number, and on whether there is a picture.
        lines: the lines between running head and page number, without the caption.
        chapter_title: of the chapter it belongs to; empty outside chapters.
        caption: the line beneath the picture, or empty.
        page_format: its measures.
    """

    number: int
    kind: PageKind
    lines: tuple[Line, ...] = ()
    chapter_title: str = ""
    caption: str = ""
    page_format: PageFormat = POCKET

    @property
    def header(self) -> str:
        """The running head: the book's title on even (left) pages, the chapter's on odd; else empty."""
        if self.kind is not PageKind.TEXT:
            return ""
        return RUNNING_TITLE if self.number % 2 == 0 else self.chapter_title.upper()

    @property
    def footer(self) -> str:
        """The page number as printed at the foot; empty on pages that carry none."""
        return str(self.number) if self.kind in {PageKind.TEXT, PageKind.CHAPTER} else ""

    @property
    def body(self) -> tuple[str, ...]:
        """The printed text of `lines`, chapter headings among them."""
        return tuple(line.text for line in self.lines)

    @property
    def text(self) -> str:
        """Everything printed on the page in reading order, a line a line; empty for a blank page."""
        return "\n".join(filter(None, (self.header, *self.body, self.caption, self.footer)))


def pages(count: int | None = None) -> tuple[SamplePage, ...]:
    """The first `count` pages; the whole book by default. Past its end the text pages repeat, renumbered.

    Raises:
        ValueError: `count` is negative.
        SettingsError: the typeface is not installed.
    """
    book = _book()
    repeats = cycle(page for page in book if page.kind is PageKind.TEXT)
    endless = (replace(page, number=number) for number, page in enumerate(chain(book, repeats), start=1))
    return tuple(islice(endless, len(book) if count is None else count))


def small_page(number: int) -> SamplePage:
    """A page of three short lines, told from all others by its first; numbered from 1.

    Raises:
        SettingsError: the typeface is not installed.
    """
    lines = _slip_lines()
    start = (number - 1) * SLIP_LINES % (len(lines) - SLIP_LINES)
    return SamplePage(
        number,
        PageKind.SLIP,
        (Line(f"This is page {number}."), *lines[start : start + SLIP_LINES]),
        page_format=SLIP,
    )


@cache
def _book() -> tuple[SamplePage, ...]:
    return (
        SamplePage(1, PageKind.TITLE, tuple(_title_lines())),
        SamplePage(2, PageKind.BLANK),
        *_body_pages(first_number=3),
    )


def _title_lines() -> Iterator[Line]:
    for row, words in enumerate(TITLE):
        yield Line(words, "centred", scale=2.0, space_above=0 if row else 160)
    yield Line("BY", "centred", scale=0.8, space_above=90)
    yield Line(AUTHOR, "centred", scale=1.2, space_above=20)
    for row, words in enumerate(PUBLISHER):
        yield Line(words, "centred", space_above=0 if row else 420)


def _body_pages(first_number: int) -> Iterator[SamplePage]:
    number = first_number
    for chapter in CHAPTERS:
        kind = PageKind.CHAPTER
        for lines in _fill_pages(_chapter_lines(chapter), POCKET.depth):
            if number == PLATE_NUMBER:
                yield SamplePage(number, PageKind.PICTURE, caption=CAPTION)
                number += 1
            yield SamplePage(number, kind, lines, chapter.title)
            kind = PageKind.TEXT
            number += 1


def _chapter_lines(chapter: Chapter) -> Iterator[Line]:
    yield Line(chapter.label, "centred", space_above=110)
    yield Line(chapter.title, "centred", scale=1.5, space_above=20)
    first, *others = chapter.paragraphs
    opening, *rest = set_paragraph(first, POCKET, indent=0)
    yield replace(opening, space_above=70)
    yield from rest
    for paragraph in others:
        yield from set_paragraph(paragraph, POCKET, PARAGRAPH_INDENT)


def _fill_pages(lines: Iterable[Line], depth: int) -> Iterator[tuple[Line, ...]]:
    """Deal lines out to pages of `depth` pixels."""
    page: list[Line] = []
    filled = 0
    for line in lines:
        height = line.space_above + round(line.scale * POCKET.leading)
        if filled + height > depth:
            yield tuple(page)
            page, filled = [], 0
        page.append(line)
        filled += height
    yield tuple(page)


@cache
def _slip_lines() -> tuple[Line, ...]:
    prose = " ".join(CHAPTERS[0].paragraphs)
    return tuple(replace(line, align="left") for line in set_paragraph(prose, SLIP, indent=0))
