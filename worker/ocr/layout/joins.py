"""Finds the paragraphs that go on in another column, beyond a picture or a table, or on the next page.

A page does not see its neighbours. It only says what its ends may be: a paragraph goes on over two pages where both
agree.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from worker.ocr.boxes import Picture
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.hyphens import ends_divided, is_divided
from worker.ocr.layout.paragraphs import INDENT
from worker.ocr.layout.region_types import RegionType
from worker.ocr.layout.rows import Measures
from worker.ocr.layout.straight import Placed

_SHORT = 0.3
"""Minimum distance of the end of a paragraph from the right side of its column, as a share of the column's width,
if it ends without a full stop."""
_LINES = 3
"""Minimum number of lines of a column whose sides are known; one with fewer may be a heading."""
_INDENTED = 0.6
"""Minimum share of the paragraphs with an indent on a page where one without is the rest of another."""
_STOPS = ".!?:\u2026"
_CLOSING = "\"'\u2019\u201c\u201d\u00bb\u00ab\u203a\u2039)]*"

Paragraph = Sequence[Placed[OcrLine]]


@dataclass(frozen=True, slots=True)
class Joins:
    """How the regions of a page go on, by their places in the list of regions.

    Attributes:
        goes_on: in which region a paragraph goes on.
        open_start: the first paragraph, if it may have begun on the page before.
        open_end: the last paragraph, if it may go on on the next page.
    """

    goes_on: dict[int, int]
    open_start: int | None = None
    open_end: int | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A paragraph of running text, its place in the list of regions, its column and the sides of that in pixels."""

    index: int
    column: int
    lines: Paragraph
    left: float
    right: float
    has_sides: bool

    def is_indented(self, measures: Measures) -> bool:
        return self.lines[0].bbox.x - self.left > INDENT * measures.line_height

    @property
    def is_long(self) -> bool:
        """Whether the last line goes on to near the right side."""
        room = self.right - self.lines[-1].bbox.right
        return self.has_sides and room < _SHORT * (self.right - self.left)

    def has_room_for(self, word: str) -> bool:
        """Whether a word would fit into the last line, whose letters are as wide as those before it."""
        line = self.lines[-1]
        letter = line.bbox.width / max(1, len(line.item.text))
        return self.right - line.bbox.right > letter * (len(word) + 1)

    @property
    def first(self) -> str:
        return self.lines[0].item.text

    @property
    def last(self) -> str:
        return self.lines[-1].item.text


def find_joins(
    columns: Sequence[Sequence[Picture | Paragraph]], types: Sequence[RegionType], measures: Measures
) -> Joins:
    """Return how the paragraphs of a page go on.

    Args:
        columns: the parts of each column, in reading order.
        types: of the parts of all columns.
        measures: of the page.
    """
    paragraphs = list(_paragraphs(columns, types))
    if not paragraphs:
        return Joins({})
    is_indented_page = _is_indented_page(paragraphs, measures)
    goes_on = {}
    for one, other in pairwise(paragraphs):
        is_interrupted = other.column != one.column or other.index > one.index + 1
        if is_interrupted and _goes_on(one, other, measures, is_indented_page=is_indented_page):
            goes_on[one.index] = other.index
    first, last = paragraphs[0], paragraphs[-1]
    starts_open = _starts_small(first.first) or (
        is_indented_page and first.has_sides and not first.is_indented(measures)
    )
    ends_open = ends_divided(last.last) or (last.is_long and not _has_stop(last.last))
    return Joins(goes_on, first.index if starts_open else None, last.index if ends_open else None)


def _paragraphs(columns: Sequence[Sequence[Picture | Paragraph]], types: Sequence[RegionType]) -> Iterator[_Place]:
    index = 0
    for column, parts in enumerate(columns):
        kinds = types[index : index + len(parts)]
        text = [
            part
            for part, kind in zip(parts, kinds, strict=True)
            if not isinstance(part, Picture) and kind is RegionType.BODY
        ]
        lines = [line.bbox for part in text for line in part]
        left = min((box.x for box in lines), default=0)
        right = max((box.right for box in lines), default=0)
        for part, kind in zip(parts, kinds, strict=True):
            if not isinstance(part, Picture) and kind is RegionType.BODY:
                yield _Place(index, column, part, left, right, len(lines) >= _LINES)
            index += 1


def _is_indented_page(paragraphs: Sequence[_Place], measures: Measures) -> bool:
    """Return whether paragraphs begin with an indent, but for the first ones of columns, which may be rests."""
    inner = [one for before, one in pairwise(paragraphs) if before.column == one.column]
    indented = sum(paragraph.is_indented(measures) for paragraph in inner)
    return bool(inner) and indented >= _INDENTED * len(inner)


def _goes_on(one: _Place, other: _Place, measures: Measures, *, is_indented_page: bool) -> bool:
    if is_divided(one.last, other.first) and other.first[0].islower():
        return True
    if other.has_sides and other.is_indented(measures):
        return False
    if _starts_small(other.first) and not _has_stop(one.last):
        return True
    if not _has_stop(one.last):
        return one.is_long and other.has_sides and len(other.lines) > 1
    # A sentence may end where the column does. Its last line is full then, so that the next word has no room in it.
    is_full = one.has_sides and not one.has_room_for(other.first.split()[0])
    return is_full and is_indented_page and other.has_sides


def _starts_small(text: str) -> bool:
    return text[:1].islower()


def _has_stop(text: str) -> bool:
    return text.rstrip(_CLOSING)[-1:] in _STOPS
