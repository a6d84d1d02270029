"""Finds tables by their rules: level and upright ones that meet."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from worker.ocr.boxes import Box
from worker.ocr.layout.cut_lines import cut_at
from worker.ocr.layout.rows import Measures, joined, rows_of
from worker.ocr.layout.rules import Rules
from worker.ocr.layout.straight import Line
from worker.ocr.layout.table import Cell, Table, with_headings

_MEET = 0.5
"""Maximum distance of two rules that meet, and of two that are one, in line heights."""
_ALONG = 0.6
"""Minimum share of a side of a cell that has a rule."""
_PROSE_LINES, _PROSE_WORDS = 4, 4
"""Lines in a cell, and words in each, from which on it is running text: rules are also between columns of that."""
_FEWEST_CELLS = 4
"""Minimum number of cells with text."""
_FEWEST_ROWS = 2
"""Minimum number of rows with text in two cells."""
_SAME_ROWS = 0.6
"""Minimum share of the printed rows between two rules that have text in most columns, if each is a row."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A place for a cell: the rows and columns of the grid that it covers, the last ones not included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the rules of a table are, in pixels: upright ones from left to right, level ones downwards."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    rules: Rules

    @property
    def bbox(self) -> Box:
        return self.box(_Place(0, 0, len(self.ys) - 1, len(self.xs) - 1))

    def box(self, place: _Place) -> Box:
        return Box.from_corners(
            self.xs[place.left], self.ys[place.top], self.xs[place.right], self.ys[place.bottom]
        )

    def places(self, reach: float) -> list[_Place]:
        """Return the places of cells; those without a rule between them are one, if that is a rectangle."""
        places: list[_Place] = []
        last = len(self.xs) - 1
        for row in range(len(self.ys) - 1):
            edges = [0, *(x for x in range(1, last) if self._has_upright(x, row, reach)), last]
            for left, right in pairwise(edges):
                above = [each for each in places if (each.bottom, each.left, each.right) == (row, left, right)]
                if above and not self._has_level(row, left, right, reach):
                    places[places.index(above[0])] = _Place(above[0].top, left, row + 1, right)
                else:
                    places.append(_Place(row, left, row + 1, right))
        return places

    def _has_upright(self, x: int, row: int, reach: float) -> bool:
        top, bottom = self.ys[row], self.ys[row + 1]
        near = (rule for rule in self.rules.upright if abs(rule.centre_x - self.xs[x]) <= reach)
        return _covered(((rule.y, rule.bottom) for rule in near), top, bottom) >= _ALONG * (bottom - top)

    def _has_level(self, y: int, left: int, right: int, reach: float) -> bool:
        start, end = self.xs[left], self.xs[right]
        near = (rule for rule in self.rules.level if abs(rule.centre_y - self.ys[y]) <= reach)
        return _covered(((rule.x, rule.right) for rule in near), start, end) >= _ALONG * (end - start)


def ruled_tables(lines: Sequence[Line], rules: Rules, measures: Measures) -> tuple[list[Table], list[Line]]:
    """Return the tables, and the lines that are in none; some are what is left of lines that reach into a table.

    Args:
        lines: of a page, as they are in the page image.
        rules: from `find_rules`.
        measures: of the page.
    """
    tables = []
    rest = list(lines)
    for grid in _grids(rules, measures):
        box = grid.bbox
        inside: list[Line] = []
        beside: list[Line] = []
        for line in rest:
            if not (
                box.y < line.bbox.centre_y < box.bottom and line.bbox.x < box.right and box.x < line.bbox.right
            ):
                beside.append(line)
                continue
            for piece in cut_at(line, grid.xs):
                (inside if box.x < piece.bbox.centre_x < box.right else beside).append(piece)
        if rows := _rows(grid, inside, measures):
            tables.append(Table(box, with_headings(rows)))
            rest = beside
    return tables, rest


def _grids(rules: Rules, measures: Measures) -> Iterator[_Grid]:
    reach = _MEET * measures.line_height
    for group in _groups(rules, reach):
        ends_x = [end for rule in group.level for end in (rule.x, rule.right)]
        ends_y = [end for rule in group.upright for end in (rule.y, rule.bottom)]
        xs = _apart([*(rule.centre_x for rule in group.upright), min(ends_x), max(ends_x)], reach)
        ys = _apart([*(rule.centre_y for rule in group.level), min(ends_y), max(ends_y)], reach)
        if len(xs) > 2 and len(ys) > 1:  # noqa: PLR2004  # two columns
            yield _Grid(xs, ys, group)


def _groups(rules: Rules, reach: float) -> Iterator[Rules]:
    """Yield the rules that meet, from one to the next: at least one of each kind, and three in all."""
    groups: list[tuple[list[Box], list[Box]]] = [([rule], []) for rule in rules.level]
    for upright in rules.upright:
        met = [group for group in groups if any(_meet(level, upright, reach) for level in group[0])]
        if met:
            whole = [level for group in met for level in group[0]], [each for group in met for each in group[1]]
            groups = [group for group in groups if not any(group is each for each in met)]
            groups.append((whole[0], [*whole[1], upright]))
    for level, uprights in groups:
        if level and uprights and len(level) + len(uprights) > 2:  # noqa: PLR2004 - as the docstring says
            yield Rules(tuple(level), tuple(uprights))


def _meet(level: Box, upright: Box, reach: float) -> bool:
    return (
        level.x - reach <= upright.centre_x <= level.right + reach
        and upright.y - reach <= level.centre_y <= upright.bottom + reach
    )


def _apart(places: Iterable[float], distance: float) -> tuple[float, ...]:
    """Return places in order, without those that are nearer than a distance to the one before."""
    kept: list[float] = []
    for place in sorted(places):
        if not kept or place - kept[-1] > distance:
            kept.append(place)
    return tuple(kept)


def _covered(parts: Iterable[tuple[float, float]], start: float, end: float) -> float:
    """Return how much of a stretch some parts of a rule cover."""
    return sum(max(0.0, min(end, last) - max(start, first)) for first, last in parts)


def _rows(grid: _Grid, pieces: Sequence[Line], measures: Measures) -> list[tuple[Cell, ...]]:
    """Return the rows of a table; empty if it is none."""
    places = grid.places(_MEET * measures.line_height)
    held: dict[_Place, list[Line]] = {place: [] for place in places}
    for piece in pieces:
        place = next((each for each in places if _holds(grid.box(each), piece.bbox)), None)
        if place is not None:
            held[place].append(piece)
    printed = {place: [joined(row) for row in rows_of(within)] for place, within in held.items()}
    if _is_prose(list(printed.values())) or sum(map(bool, printed.values())) < _FEWEST_CELLS:
        return []
    rows: list[tuple[Cell, ...]] = []
    for number in range(len(grid.ys) - 1):
        begin = [place for place in places if place.top == number]
        whole = tuple(_cell(grid.box(place), printed[place], place) for place in begin)
        rows += _parts(grid, begin, printed) or [whole]
    filled = [row for row in rows if sum(bool(cell.lines) for cell in row) > 1]
    return rows if len(filled) >= _FEWEST_ROWS else []


def _holds(box: Box, piece: Box) -> bool:
    return box.x <= piece.centre_x < box.right and box.y <= piece.centre_y < box.bottom


def _cell(box: Box, lines: Sequence[Line], place: _Place) -> Cell:
    return Cell(box, tuple(line.item for line in lines), place.bottom - place.top, place.right - place.left)


def _is_prose(cells: Sequence[Sequence[Line]]) -> bool:
    """Return whether most of the words are in cells of running text."""
    words = [sum(len(line.item.text.split()) for line in cell) for cell in cells]
    prose = [
        count
        for cell, count in zip(cells, words, strict=True)
        if len(cell) >= _PROSE_LINES and count >= _PROSE_WORDS * len(cell)
    ]
    return 2 * sum(prose) >= sum(words)


def _parts(
    grid: _Grid, places: Sequence[_Place], printed: Mapping[_Place, Sequence[Line]]
) -> list[tuple[Cell, ...]]:
    """Return the rows between two level rules, if there are several without a rule between them; else nothing."""
    if any(place.bottom - place.top > 1 for place in places):
        return []
    rows = rows_of([line for place in places for line in printed[place]])
    full = [row for row in rows if 2 * len(row) > len(places)]
    if len(full) < _FEWEST_ROWS or len(full) < _SAME_ROWS * len(rows):
        return []
    return [tuple(_part(grid.box(place), printed[place], row) for place in places) for row in rows]


def _part(box: Box, lines: Sequence[Line], row: Sequence[Line]) -> Cell:
    """Return the part of a cell that is in one of its printed rows."""
    whole = Box.around(line.bbox for line in row)
    mine = tuple(line.item for line in lines if any(line is each for each in row))
    return Cell(Box.from_corners(box.x, whole.y, box.right, whole.bottom), mine)
