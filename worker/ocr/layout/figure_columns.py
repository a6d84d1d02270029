"""Finds figures that are below each other, and which of these columns are of one table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from worker.ocr.boxes import Box
from worker.ocr.layout.cut_lines import gap_around
from worker.ocr.layout.rows import Measures
from worker.ocr.layout.straight import Line
from worker.ocr.layout.table import is_figure

SPACE = 0.6
"""Minimum space between two cells, in line heights; spaces between words are seldom wider."""
_ALIGNED = 0.35
"""Maximum distance of the ends or the middles of two figures below each other, in line heights."""
FEWEST_ROWS = 3
NEXT_ROW = 2.2
"""Maximum distance of two rows, in ordinary distances of lines."""
_NEAR = 4.0
"""Maximum distance of lines that are near a table, above or below it, in ordinary distances of lines."""
_TALL = 1.4
"""Minimum height of a heading, in line heights, which may cross a gutter."""
_FEWEST_CROSSING = 2
"""Minimum number of lines across a place that is not a gutter of the page."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its left and right end in pixels, and its pieces of lines, downwards."""

    left: float
    right: float
    pieces: tuple[Line, ...]

    @classmethod
    def of(cls, pieces: Iterable[Line]) -> "Column":
        """Return the column of some pieces, at least one."""
        ordered = tuple(sorted(pieces, key=lambda piece: piece.bbox.centre_y))
        return cls(min(piece.bbox.x for piece in ordered), max(piece.bbox.right for piece in ordered), ordered)

    @property
    def top(self) -> float:
        """Where its first piece begins, in pixels."""
        return self.pieces[0].bbox.y

    @property
    def bottom(self) -> float:
        """Where its last piece ends, in pixels."""
        return self.pieces[-1].bbox.bottom

    def overlap(self, box: Box) -> float:
        """Return by how much it overlaps with a box from left to right, in pixels; negative if it does not."""
        return min(self.right, box.right) - max(self.left, box.x)

    def share_within(self, box: Box) -> float:
        """Return that overlap as a share of the column's width."""
        return self.overlap(box) / max(1.0, self.right - self.left)


def figure_columns(pieces: Sequence[Line], lines: Sequence[Line], measures: Measures) -> list[list[Column]]:
    """Return the columns of figures of each table, from left to right.

    Args:
        pieces: of the lines, cut at wide spaces.
        lines: of the page.
        measures: of the page.
    """
    tables: list[list[Column]] = []
    for chain in _chains(pieces, measures):
        table = [Column.of(chain)]
        while (near := _of_one_table(table, tables, lines, measures)) is not None:
            tables.remove(near)
            table = _united([*table, *near])
        tables.append(table)
    return tables


def _of_one_table(
    table: list[Column], tables: Iterable[list[Column]], lines: Sequence[Line], measures: Measures
) -> list[Column] | None:
    return next((other for other in tables if _are_of_one_table(table, other, lines, measures)), None)


def is_page_gutter(x: float, top: float, bottom: float, lines: Iterable[Line], measures: Measures) -> bool:
    """Return whether the white at `x` goes on above or below a table, which is from `top` to `bottom`.

    There are lines on both sides of it then, and at most one that crosses it: the headings of a table have white
    between them too, but the text above or below crosses that.
    """
    ordinary = (line for line in lines if line.bbox.height <= _TALL * measures.line_height)
    above, below = near_table(ordinary, top, bottom, measures)
    crossing = [line for line in (*above, *below) if crosses(line, x, measures)]
    sides = ([line for line in side if line not in crossing] for side in (above, below))
    return len(crossing) < _FEWEST_CROSSING and any(_divides(x, side, measures) for side in sides)


def near_table(
    lines: Iterable[Line], top: float, bottom: float, measures: Measures
) -> tuple[list[Line], list[Line]]:
    """Return the lines that are near above and near below a table, which is from `top` to `bottom`."""
    reach = _NEAR * measures.line_distance
    kept = list(lines)
    above = [line for line in kept if top - reach < line.bbox.centre_y < top]
    return above, [line for line in kept if bottom < line.bbox.centre_y < bottom + reach]


def crosses(line: Line, x: float, measures: Measures) -> bool:
    """Return whether a line goes over a place, without a wide space there."""
    if not line.bbox.x < x < line.bbox.right:
        return False
    gap = gap_around(line, x)
    return gap is None or gap[1] - gap[0] < SPACE * measures.line_height


def _divides(x: float, lines: Sequence[Line], measures: Measures) -> bool:
    """Return whether there are lines on both sides, in at least two rows each."""
    left = [line.bbox.centre_y for line in lines if line.bbox.x < x]
    right = [line.bbox.centre_y for line in lines if line.bbox.right > x]
    return all(side and max(side) - min(side) > measures.line_distance / 2 for side in (left, right))


def _chains(pieces: Sequence[Line], measures: Measures) -> list[list[Line]]:
    """Return figures that are below each other, row by row, at least three each."""
    figures = sorted((each for each in pieces if is_figure(each.item.text)), key=lambda each: each.bbox.centre_y)
    chains: list[list[Line]] = []
    for figure in figures:
        above = [chain for chain in chains if _is_below(chain[-1].bbox, figure.bbox, measures)]
        if above:
            max(above, key=lambda chain: chain[-1].bbox.centre_y).append(figure)
        else:
            chains.append([figure])
    return [chain for chain in chains if len(chain) >= FEWEST_ROWS and any(c.isdigit() for c in _text(chain))]


def _text(chain: Iterable[Line]) -> str:
    return "".join(each.item.text for each in chain)


def _is_below(one: Box, other: Box, measures: Measures) -> bool:
    down = other.centre_y - one.centre_y
    aligned = min(abs(one.x - other.x), abs(one.right - other.right), abs(one.centre_x - other.centre_x))
    return (
        measures.line_distance / 2 < down <= NEXT_ROW * measures.line_distance
        and aligned <= _ALIGNED * measures.line_height
    )


def _are_of_one_table(
    one: Sequence[Column], other: Sequence[Column], lines: Sequence[Line], measures: Measures
) -> bool:
    top, bottom = _ends(one)
    other_top, other_bottom = _ends(other)
    shared = min(bottom, other_bottom) - max(top, other_top)
    if shared < -NEXT_ROW * measures.line_distance:
        return False
    left, right = sorted([one, other], key=lambda each: each[0].left)
    start, end = max(column.right for column in left), right[0].left
    if start >= end:
        return True
    if shared < (FEWEST_ROWS - 1) * measures.line_distance:
        return False
    whole = min(top, other_top), max(bottom, other_bottom)
    half = SPACE * measures.line_height / 2
    between = [
        line.bbox.x - half
        for line in lines
        if whole[0] < line.bbox.centre_y < whole[1] and start < line.bbox.x - half < end
    ]
    return not any(is_page_gutter(x, *whole, lines, measures) for x in [start + half, *between])


def _ends(columns: Sequence[Column]) -> tuple[float, float]:
    return min(column.top for column in columns), max(column.bottom for column in columns)


def _united(columns: Sequence[Column]) -> list[Column]:
    """Return columns from left to right; those that overlap are one."""
    united: list[Column] = []
    for column in sorted(columns, key=lambda each: each.left):
        if united and column.left < united[-1].right:
            united[-1] = Column.of([*united[-1].pieces, *column.pieces])
        else:
            united.append(column)
    return united
