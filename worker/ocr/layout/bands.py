"""Divides a page of columns into bands, at what spans the page: headings, and pictures with nothing beside them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

from worker.ocr.boxes import Box, Picture
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.cut_lines import gap_around
from worker.ocr.layout.rows import Measures
from worker.ocr.layout.straight import Placed

_APART = 1.5
"""Maximum distance between two pieces of one heading, in line heights."""
_ALONE = 0.3
"""Minimum space above and below a heading with a space where a gutter is, beyond that between lines, in line
heights."""
_TALL = 1.25
"""Minimum height in line heights of a line that is a heading for that alone."""
_SPACE = 0.5
"""Minimum space above or below a heading, beyond that between lines, in line heights."""
_INSIDE = 2.0
"""Minimum distance of the ends of a short heading from the sides of the text, in line heights."""
_CENTRED = 0.5
"""Maximum distance of the middle of a heading over the middle column from that of the page, in line heights."""
_INSIDE_GUTTERS = 1.5
"""Minimum distance of its ends from the gutters beside it, in line heights."""
_OVERLAP = 0.3
"""Minimum share of the lower height by which two pieces overlap that are in one row."""

Item = TypeVar("Item", bound=Placed[OcrLine] | Placed[Picture])


def bands_between(items: Sequence[Item], gutters: Sequence[float], measures: Measures) -> Iterator[list[Item]]:
    """Yield the items in bands, downwards: headings below each other are one band, what is between them another.

    A heading need not be as wide as the page: it is over one of the gutters, and nothing is beside it.

    Args:
        items: of the page.
        gutters: where they are, in pixels from the left.
        measures: of the page.
    """
    rows = list(_rows(items))
    may_span = [
        _is_over_most(row, gutters) or _is_alone(rows, place, gutters, measures) for place, row in enumerate(rows)
    ]
    page = Box.around(item.bbox for item in items)
    may_span[0] = may_span[0] or _is_over_the_middle(rows, page, gutters, measures)
    spanning = list(may_span)
    for start, end in _runs(may_span):
        is_heading = any(_stands_out(rows, place, page, measures) for place in range(start, end))
        spanning[start:end] = [may_span[start] and is_heading] * (end - start)
    for start, end in _runs(spanning):
        yield [item for row in rows[start:end] for item in row]


def _runs(values: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield the first place of each run of the same value, and the place after it."""
    starts = [place for place in range(len(values)) if not place or values[place] != values[place - 1]]
    yield from pairwise([*starts, len(values)])


def _rows(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Yield groups of items that overlap in height, from one to the next, downwards."""
    row: list[Item] = []
    bottom = 0.0
    for item in sorted(items, key=lambda item: item.bbox.y):
        overlap = bottom - item.bbox.y
        if row and overlap < _OVERLAP * min(item.bbox.height, row[-1].bbox.height):
            yield row
            row, bottom = [], 0.0
        row.append(item)
        bottom = max(bottom, item.bbox.bottom)
    if row:
        yield row


def _is_over_most(row: Sequence[Item], gutters: Sequence[float]) -> bool:
    """Return whether a row covers at least half of the gutters between its ends, and at least one."""
    whole = Box.around(item.bbox for item in row)
    if whole.height >= 2 * min(item.bbox.height for item in row):
        return False
    between = [x for x in gutters if whole.x < x < whole.right]
    over = sum(
        any(item.bbox.x < x < item.bbox.right and gap_around(item, x) is None for item in row) for x in between
    )
    return over > 0 and 2 * over >= len(between)


def _is_alone(rows: Sequence[Sequence[Item]], place: int, gutters: Sequence[float], measures: Measures) -> bool:
    """Return whether a row over a gutter has space above and below it, and none as wide within it."""
    ordered = sorted((item.bbox for item in rows[place]), key=lambda box: box.x)
    whole = Box.around(ordered)
    near = all(right.x - left.right <= _APART * measures.line_height for left, right in pairwise(ordered))
    if not near or not any(whole.x < x < whole.right for x in gutters):
        return False
    above, below = _spaces(rows, place, at_ends=float("inf"))
    return min(above, below) > measures.line_space + _ALONE * measures.line_height


def _is_over_the_middle(
    rows: Sequence[Sequence[Item]], page: Box, gutters: Sequence[float], measures: Measures
) -> bool:
    """Return whether the first row is a heading that fits into the column in the middle, below it.

    It is in the middle of the page, well within the gutters, with space below it, and columns begin on both sides.
    """
    box = Box.around(item.bbox for item in rows[0])
    if len(rows) == 1 or abs(box.centre_x - page.centre_x) > _CENTRED * measures.line_height:
        return False
    below = Box.around(item.bbox for item in rows[1])
    space = measures.line_space + _ALONE * measures.line_height
    inside = _INSIDE_GUTTERS * measures.line_height
    return (
        below.y - box.bottom > space
        and any(below.x < x < box.x - inside for x in gutters)
        and any(box.right + inside < x < below.right for x in gutters)
    )


def _spaces(rows: Sequence[Sequence[Item]], place: int, at_ends: float) -> tuple[float, float]:
    """Return the space above and below a row, in pixels; `at_ends` above the first and below the last."""
    box = Box.around(item.bbox for item in rows[place])
    above = box.y - max(item.bbox.bottom for item in rows[place - 1]) if place else at_ends
    below = min(item.bbox.y for item in rows[place + 1]) - box.bottom if place + 1 < len(rows) else at_ends
    return above, below


def _stands_out(rows: Sequence[Sequence[Item]], place: int, page: Box, measures: Measures) -> bool:
    """Return whether a row is taller than text, farther from the next ones, or short and centred."""
    box = Box.around(item.bbox for item in rows[place])
    widest = max(_spaces(rows, place, at_ends=0))
    inside = _INSIDE * measures.line_height
    return (
        box.height > _TALL * measures.line_height
        or widest > measures.line_space + _SPACE * measures.line_height
        or (box.x - page.x > inside and page.right - box.right > inside)
    )
