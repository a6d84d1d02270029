"""Divides the lines of a column into paragraphs: at wide gaps, at indents, and after headings in the middle.

What ends short in almost every line stays whole: a stanza, a heading of several lines, an address. An indent begins
a paragraph if lines that fill the column go on at its side, and is a hanging one if they go on with an indent.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median

from worker.ocr.layout.rows import Measures, joined, rows_of
from worker.ocr.layout.straight import Line

_SET_APART = 1.4
"""Minimum distance of a new paragraph from the text, in ordinary distances from line to line."""
INDENT = 0.7
"""Minimum indent of a paragraph's first line, in line heights; less is skew or a curled page."""
_HANGING = 0.4
"""Minimum hanging indent, in line heights: what shows in line after line may be less."""
_DEEPEST_INDENT = 3.0
"""Maximum indent in line heights; deeper is verse, whose lines all end short."""
_ENDS_SHORT = 2.0
"""Minimum distance from the column's right edge, in line heights, of the last line of a paragraph."""
_MOST_FULL = 1 / 3
"""Maximum share of lines of verse that fill the column."""
_NARROW = 0.8
"""Maximum width of ordinary lines of verse, as a share of the column's; lines with capitals may be wider."""
_EVEN = 0.5
"""Maximum distance of line ends that are below each other, in line heights."""
_LOOSE = 1.12
"""Minimum distance of a heading that is nearly as wide as its column from the line below, in ordinary distances."""
_FEWEST_VERSES = 4
"""Minimum number of lines of verse; fewer stay together, but are an address or a heading as well."""
_LONG_RUN = 3
"""Minimum number of lines deep inside of a column that are not part of the paragraph before or after them."""
_WITH_CAPITALS = 0.7
"""Minimum share of lines of verse that begin with a capital, but for those that go on with a hanging indent."""
_WITH_FIGURES = 1 / 3
"""Maximum share of lines of verse that end with a figure; more are an index or a table of contents."""
_MARK = re.compile(
    r"(?:\d{1,2}|[a-z])\)|\(\d{1,2}\)|\*{1,3}\)|[†‡•▪◦‣]|(?:\*{1,3}|[\u2013\u2014-]|\d{1,2}\.)(?=\s)"
)
"""What a note or an item of a list begins with."""
_ENDS_WITH_FIGURE = re.compile(r"\d\W*$")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """The lines of a paragraph, at least one, and whether they are verse, whose breaks are the author's."""

    lines: Sequence[Line]
    is_verse: bool = False


@dataclass(frozen=True, slots=True)
class _Column:
    """The sides of a column, and the ordinary height and distance of its lines, in pixels."""

    left: float
    right: float
    line_height: float
    line_distance: float

    def is_full(self, line: Line) -> bool:
        """Return whether a line reaches the right side."""
        return line.bbox.right >= self.right - _ENDS_SHORT * self.line_height

    def is_centred(self, line: Line, least: float) -> bool:
        """Return whether a line is in the middle, with at least so much space on both sides, in line heights."""
        before, after = line.bbox.x - self.left, self.right - line.bbox.right
        inside, off = min(before, after), abs(before - after)
        return off < min(inside / 2, self.line_height) and inside > least * self.line_height


def paragraphs_of(lines: Sequence[Line], measures: Measures) -> Iterator[Paragraph]:
    """Yield the paragraphs of a column, downwards; pieces of a line are joined.

    Args:
        lines: of the column, straightened.
        measures: of the page.
    """
    rows = [joined(row) for row in rows_of(lines)]
    if not rows:
        return
    left, right = min(row.bbox.x for row in rows), max(row.bbox.right for row in rows)
    column = _Column(left, right, measures.line_height, measures.line_distance)
    for block in _blocks(rows, column):
        if _has_items(block):
            yield from map(Paragraph, _indented(block, column))
        elif _is_set_in(block, column) or _ends_short(block, column):
            yield Paragraph(block, is_verse=_is_verse(block, column))
        elif _is_hanging(block, column):
            yield from map(Paragraph, _hanging(block, column))
        else:
            yield from map(Paragraph, _indented(block, column))


def _blocks(rows: Sequence[Line], column: _Column) -> Iterator[list[Line]]:
    """Yield the lines between wide gaps, and those before and after a run of lines that are deep inside."""
    are_deep = _in_long_runs([_is_deep(row, column) for row in rows])
    block = [rows[0]]
    for place, row in enumerate(rows[1:], start=1):
        apart = row.bbox.centre_y - block[-1].bbox.centre_y > _SET_APART * column.line_distance
        if apart or are_deep[place] != are_deep[place - 1]:
            yield block
            block = []
        block.append(row)
    yield block


def _in_long_runs(values: Sequence[bool]) -> list[bool]:
    """Return the values, with false for those that are true in fewer lines than a stanza has."""
    runs = [(value, len(list(run))) for value, run in groupby(values)]
    return [value and length >= _LONG_RUN for value, length in runs for _ in range(length)]


def _is_deep(row: Line, column: _Column) -> bool:
    """Return whether a line begins where no first line of a paragraph does, and ends short."""
    return row.bbox.x - column.left > _DEEPEST_INDENT * column.line_height and not column.is_full(row)


def _ends_short(block: Sequence[Line], column: _Column) -> bool:
    """Return whether the breaks of lines are meant: almost all of them end short, and not below each other."""
    full = sum(map(column.is_full, block))
    if len(block) < 2 or full > _MOST_FULL * len(block) or (len(block) == 2 and full):  # noqa: PLR2004
        return False
    if _is_centred(block, column):
        return True
    indent = INDENT * column.line_height
    if any(column.is_full(row) and below.bbox.x < row.bbox.x - indent for row, below in pairwise(block)):
        return False  # the second line of a paragraph, in dialogue
    if sum(bool(_ENDS_WITH_FIGURE.search(row.item.text)) for row in block) > _WITH_FIGURES * len(block):
        return False
    rightmost = max(row.bbox.right for row in block)
    even = sum(rightmost - row.bbox.right < _EVEN * column.line_height for row in block)
    is_narrow = median(row.bbox.width for row in block) < _NARROW * (column.right - column.left)
    return even <= len(block) / 2 and (is_narrow or _begin_with_capitals(block, column))


def _is_set_in(block: Sequence[Line], column: _Column) -> bool:
    """Return whether all lines begin inside of the column, and with capitals but for what is wrapped: verse."""
    indent, left = INDENT * column.line_height, min(row.bbox.x for row in block)
    begin = sum(row.bbox.x - left < indent for row in block)
    return left - column.left > indent and begin >= _LONG_RUN and _begin_with_capitals(block, column)


def _is_verse(block: Sequence[Line], column: _Column) -> bool:
    return len(block) >= _FEWEST_VERSES and not _is_centred(block, column) and _begin_with_capitals(block, column)


def _is_centred(block: Sequence[Line], column: _Column) -> bool:
    lefts, middles = [row.bbox.x for row in block], [row.bbox.centre_x for row in block]
    return max(middles) - min(middles) < column.line_height < max(lefts) - min(lefts)


def _begin_with_capitals(block: Sequence[Line], column: _Column) -> bool:
    left = min(row.bbox.x for row in block)
    first = [_first_letter(row.item.text) for row in block if row.bbox.x - left < INDENT * column.line_height]
    others = [_first_letter(row.item.text) for row in block if row.bbox.x - left >= INDENT * column.line_height]
    letters = [*filter(None, first), *(letter for letter in others if letter.isupper())]
    return len(letters) >= _LONG_RUN and sum(map(str.isupper, letters)) >= _WITH_CAPITALS * len(letters)


def _first_letter(text: str) -> str:
    return next((character for character in text if character.isalpha()), "")


def _is_hanging(block: Sequence[Line], column: _Column) -> bool:
    """Return whether lines that fill the column go on with an indent rather than at the side."""
    left = min(row.bbox.x for row in block)
    going_on = [
        below.bbox.x - left > _HANGING * column.line_height for row, below in pairwise(block) if column.is_full(row)
    ]
    return 2 * sum(going_on) > len(going_on)


def _hanging(block: Sequence[Line], column: _Column) -> Iterator[list[Line]]:
    """Yield paragraphs that begin at the side and go on indented."""
    left = min(row.bbox.x for row in block)
    paragraph = [block[0]]
    for row in block[1:]:
        if row.bbox.x - left <= _HANGING * column.line_height:
            yield paragraph
            paragraph = []
        paragraph.append(row)
    yield paragraph


def _has_items(block: Sequence[Line]) -> bool:
    """Return whether lines begin with the marks of notes or of items of a list."""
    return sum(map(_is_marked, block)) > 1 or _is_marked(block[0])


def _is_marked(row: Line) -> bool:
    return _MARK.match(row.item.text) is not None


def _indented(block: Sequence[Line], column: _Column) -> Iterator[list[Line]]:
    """Yield paragraphs that begin with an indent or a mark, and headings between them."""
    indent = INDENT * column.line_height
    has_items = _has_items(block)
    are_headings = list(_headings(block, column))
    paragraph, indented = [block[0]], False
    for place, row in enumerate(block[1:], start=1):
        before = paragraph[-1].bbox
        step = row.bbox.x - before.x
        # In dialogue a paragraph may have one line: the next one has the same indent, after a line that ends short.
        another = indented and len(paragraph) == 1 and abs(step) <= indent and not column.is_full(paragraph[-1])
        in_item = has_items and _is_marked(paragraph[0])
        is_item = has_items and _is_marked(row)
        begins = (
            are_headings[place] != are_headings[place - 1] or is_item or another or (step > indent and not in_item)
        )
        if begins and not (are_headings[place] and are_headings[place - 1]):
            yield paragraph
            paragraph = []
            indented = another or indent < step <= _DEEPEST_INDENT * column.line_height
        paragraph.append(row)
    yield paragraph


def _headings(block: Sequence[Line], column: _Column) -> Iterator[bool]:
    """Yield for each line whether it is a heading: in the middle, and well inside or with space around it."""
    middles = [row.bbox.centre_y for row in block]
    distances = [below - above for above, below in pairwise(middles)]
    # A paragraph that begins below a picture has space above it too, and its first line may end short.
    for row, distance in zip(block, [*distances, float("inf")], strict=True):
        is_loose = distance > _LOOSE * column.line_distance
        yield column.is_centred(row, INDENT if is_loose else _ENDS_SHORT)
