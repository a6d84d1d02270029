"""Finds tables without rules: columns of figures below each other, with words beside them.

A table of contents or an index is not a table: two columns whose page numbers, or whose words, are in order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from worker.ocr.boxes import Box
from worker.ocr.layout.cut_lines import cut_at, cut_at_spaces, gap_near
from worker.ocr.layout.figure_columns import SPACE, Column, figure_columns, is_page_gutter
from worker.ocr.layout.rows import Measures, joined, rows_of
from worker.ocr.layout.straight import Line
from worker.ocr.layout.table import Table, is_figure, with_headings
from worker.ocr.layout.table_cells import cells_of

_MOST = 0.6
"""Minimum share of the rows that have a text in a column of words at the side of a table."""
_SAME_ROW = 0.4
"""Maximum distance of the middles of a figure and the words beside it, as a share of the lower one's height."""
_ONE_TEXT = 1.2
"""Maximum space between two parts of one text, in line heights."""
_CONTENTS_ROWS, _IN_ORDER = 6, 0.9
"""Minimum number of rows of a table of contents or an index, and share of them that are in order."""
_PROSE_WORDS, _FLUSH = 3, 0.5
"""Minimum words in a line, and share of the lines that end at the right side, of running text beside a table."""
_ENDS_NEAR = 0.4
"""Maximum distance of such an end from the right side, in line heights."""
_HEADING_DISTANCE = 2.0
"""Maximum distance of a heading from the row below it, in ordinary distances of lines."""
_WIDER = 4.0
"""How far a heading may reach beyond the table, in line heights: figures may be narrower than it."""
_MOST_HEADINGS = 3
"""Maximum number of rows of headings."""
_WORDS_IN_HEADING = 4
"""Maximum number of words in the heading of a column, on average."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a table downwards, each with its pieces of lines, and the columns from left to right."""

    rows: list[list[Line]]
    columns: list[Column]


def aligned_tables(lines: Sequence[Line], measures: Measures) -> tuple[list[Table], list[Line]]:
    """Return the tables, and the lines that are in none; some are what is left of lines that reach into a table.

    Args:
        lines: of a page, straightened.
        measures: of the page.
    """
    cut = {id(line): cut_at_spaces(line, SPACE * measures.line_height) for line in lines}
    pieces = [piece for each in cut.values() for piece in each]
    tables: list[Table] = []
    used: set[int] = set()
    for figures in figure_columns(pieces, lines, measures):
        found = _with_words(figures, pieces, lines, measures)
        if found is None or any(id(piece) in used for row in found.rows for piece in row):
            continue
        tables.append(_table(found, measures))
        used.update(id(piece) for row in found.rows for piece in row)
    rest = []
    for line in lines:
        left_over = [piece for piece in cut[id(line)] if id(piece) not in used]
        rest += [line] if len(left_over) == len(cut[id(line)]) else left_over
    return tables, rest


def _with_words(
    figures: Sequence[Column], pieces: Sequence[Line], lines: Sequence[Line], measures: Measures
) -> _Rows | None:
    """Return the rows of a table with these columns of figures; None if they are not a table."""
    top, bottom = min(column.top for column in figures), max(column.bottom for column in figures)
    within = [piece for piece in pieces if top < piece.bbox.centre_y < bottom]
    rows = len(rows_of([piece for column in figures for piece in column.pieces]))
    columns = list(figures)
    for side in (_left_of, _right_of):
        beside = side(columns, within, measures)
        if beside is not None and _belongs(beside, columns, rows, lines, measures):
            columns = sorted([*columns, beside], key=lambda column: column.left)
    if len(columns) == 1 or _is_list(columns):
        return None
    zone = Box.from_corners(columns[0].left, top, columns[-1].right, bottom)
    inside = [piece for piece in within if zone.x <= piece.bbox.centre_x <= zone.right]
    found = rows_of(inside)
    columns = _with_inner(columns, inside, len(found))
    return _Rows([*_headings(zone, columns, pieces, measures), *found], columns)


def _left_of(columns: Sequence[Column], pieces: Sequence[Line], measures: Measures) -> Column | None:
    """Return the words to the left of the first column: the nearest ones in each row, with what is near these."""
    edge = columns[0].left + _ENDS_NEAR * measures.line_height
    rows = rows_of([piece for piece in pieces if piece.bbox.right <= edge])
    return _nearest([row[::-1] for row in rows], columns[0], measures)


def _right_of(columns: Sequence[Column], pieces: Sequence[Line], measures: Measures) -> Column | None:
    """Return the words to the right of the last column, as `_left_of` does."""
    edge = columns[-1].right - _ENDS_NEAR * measures.line_height
    rows = rows_of([piece for piece in pieces if piece.bbox.x >= edge])
    return _nearest(rows, columns[-1], measures)


def _nearest(rows: Iterable[Sequence[Line]], column: Column, measures: Measures) -> Column | None:
    """Return what is nearest to a column of figures in their rows; each row begins with its nearest piece."""
    found: list[Line] = []
    for row in rows:
        if not any(_is_beside(row[0].bbox, figure.bbox) for figure in column.pieces):
            continue
        found.append(row[0])
        for before, after in pairwise(row):
            left, right = sorted((before.bbox, after.bbox))
            if right.x - left.right > _ONE_TEXT * measures.line_height:
                break
            found.append(after)
    return Column.of(found) if found else None


def _is_beside(one: Box, other: Box) -> bool:
    return abs(one.centre_y - other.centre_y) <= _SAME_ROW * min(one.height, other.height)


def _belongs(
    beside: Column, columns: Sequence[Column], rows: int, lines: Sequence[Line], measures: Measures
) -> bool:
    """Return whether a column of words beside the others is a part of the table, and not of the page."""
    if len(rows_of(beside.pieces)) < _MOST * rows or _is_prose(beside, measures):
        return False
    half = SPACE * measures.line_height / 2
    if beside.left < columns[0].left:
        ends = min(beside.right, columns[0].left) + half, columns[0].left - half
    else:
        ends = columns[-1].right + half, beside.left - half
    top = min(beside.top, *(column.top for column in columns))
    bottom = max(beside.bottom, *(column.bottom for column in columns))
    return not any(is_page_gutter(x, top, bottom, lines, measures) for x in ends)


def _is_prose(column: Column, measures: Measures) -> bool:
    rows = [joined(row) for row in rows_of(column.pieces)]
    flush = sum(column.right - row.bbox.right <= _ENDS_NEAR * measures.line_height for row in rows)
    return median(len(row.item.text.split()) for row in rows) >= _PROSE_WORDS and flush >= _FLUSH * len(rows)


def _is_list(columns: Sequence[Column]) -> bool:
    """Return whether two columns are a table of contents or an index: in the order of the numbers or the words."""
    if len(columns) != 2 or len(columns[1].pieces) < _CONTENTS_ROWS:  # noqa: PLR2004  # as it says
        return False
    numbers = [
        int(digits) for piece in columns[1].pieces if (digits := "".join(filter(str.isdecimal, piece.item.text)))
    ]
    words = [joined(row).item.text.casefold() for row in rows_of(columns[0].pieces)]
    return _are_in_order(numbers) or _are_in_order(words)


def _are_in_order(values: Sequence[int] | Sequence[str]) -> bool:
    ordered = sum(one <= other for one, other in pairwise(values))  # type: ignore[operator]  # all of one type
    return ordered >= _IN_ORDER * (len(values) - 1)


def _with_inner(columns: Sequence[Column], pieces: Iterable[Line], rows: int) -> list[Column]:
    """Return the columns, with those of words between them that most rows have."""
    inner: list[list[Line]] = []
    for piece in sorted(pieces, key=lambda each: each.bbox.x):
        if any(column.overlap(piece.bbox) > 0 for column in columns):
            continue
        if inner and piece.bbox.x < max(each.bbox.right for each in inner[-1]):
            inner[-1].append(piece)
        else:
            inner.append([piece])
    found = [Column.of(each) for each in inner if len(each) >= _MOST * rows]
    return sorted([*columns, *found], key=lambda column: column.left)


def _headings(zone: Box, columns: Sequence[Column], pieces: Sequence[Line], measures: Measures) -> list[list[Line]]:
    """Return the rows above a table that are headings of its columns, downwards."""
    reach, beyond = _ENDS_NEAR * measures.line_height, _WIDER * measures.line_height
    above = [piece for piece in pieces if piece.bbox.centre_y < zone.y and _overlaps(piece.bbox, zone)]
    headings: list[list[Line]] = []
    below = float(zone.y + measures.line_height / 2)
    for row in reversed(rows_of(above)):
        whole = Box.around(piece.bbox for piece in row)
        fits = whole.x >= zone.x - beyond and whole.right <= zone.right + beyond
        near = below - whole.centre_y <= _HEADING_DISTANCE * measures.line_distance
        words = sum(len(piece.item.text.split()) for piece in row)
        are_apart = len(row) > 1 and not any(_is_over_two(piece, columns, reach) for piece in row)
        if not (fits and near and are_apart) or words > _WORDS_IN_HEADING * len(columns):
            break
        headings.insert(0, row)
        below = whole.centre_y
        if len(headings) == _MOST_HEADINGS:
            break
    return headings


def _is_over_two(piece: Line, columns: Sequence[Column], reach: float) -> bool:
    return sum(column.overlap(piece.bbox) > reach for column in columns) > 1


def _overlaps(one: Box, other: Box) -> bool:
    return one.x < other.right and other.x < one.right


def _table(found: _Rows, measures: Measures) -> Table:
    boxes = [Box.around(piece.item.bbox for piece in column.pieces) for column in found.columns]
    spans = [(box.x, box.right) for box in boxes]
    rows = [cells_of(row, _held(row, found.columns, measures), spans) for row in found.rows]
    return Table(Box.around(cell.bbox for row in rows for cell in row), with_headings(rows))


def _held(row: Sequence[Line], columns: Sequence[Column], measures: Measures) -> list[list[Line]]:
    """Return the pieces of a row in each column, from left to right."""
    held: list[list[Line]] = [[] for _ in columns]
    for piece in (part for each in row for part in _cut(each, columns, measures)):
        held[_place(piece, columns)].append(piece)
    return [sorted(pieces, key=lambda piece: piece.bbox.x) for pieces in held]


def _cut(piece: Line, columns: Sequence[Column], measures: Measures) -> list[Line]:
    """Return the parts of a piece that reaches over a boundary of columns, where it has a space."""
    xs = [(one.right + other.left) / 2 for one, other in pairwise(columns)]
    reach = measures.line_height
    near = [x for x in xs if (gap := gap_near(piece, x)) is not None and gap[0] - reach < x < gap[1] + reach]
    return cut_at(piece, near)


def _place(piece: Line, columns: Sequence[Column]) -> int:
    """Return the column of a piece: the one that it overlaps most with, or the nearest."""
    # A figure may be a small part of a wide column, and words may reach into a narrow one.
    if is_figure(piece.item.text):
        return max(range(len(columns)), key=lambda index: columns[index].overlap(piece.bbox))
    return max(range(len(columns)), key=lambda index: columns[index].share_within(piece.bbox))
