"""Finds tables of words without rules: a few short columns within running text, such as words with their meaning.

An index and verse in columns look the same. They fill a page or a column, so that no running text above or below
goes over the white between them; words in columns are a table only where it does.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from worker.ocr.boxes import Box
from worker.ocr.layout.cut_lines import cut_at_spaces
from worker.ocr.layout.figure_columns import FEWEST_ROWS, NEXT_ROW, crosses, near_table
from worker.ocr.layout.rows import Measures, joined, rows_of
from worker.ocr.layout.straight import Line
from worker.ocr.layout.table import Table
from worker.ocr.layout.table_cells import Span, cells_of

_SPACE = 1.0
"""Minimum space between two cells, in line heights."""
_WHITE = 0.5
"""Minimum width of the white between two columns, in line heights."""
_MOST_WORDS, _USUAL_WORDS = 4, 2
"""Maximum number of words of a cell, and of the middle one of each column."""
_FULL, _WIDE = 0.9, 10.0
"""Share of the width of a column that lines of running text fill, and its minimum width in line heights then."""
_FILLED = 0.7
"""Minimum share of the cells that have text."""
_FEWEST_LINES = 2
"""Minimum number of lines of running text, on one side: headings may be above and below columns."""


def word_tables(lines: Sequence[Line], measures: Measures) -> tuple[list[Table], list[Line]]:
    """Return the tables, and the lines that are in none.

    Args:
        lines: of a page, straightened.
        measures: of the page.
    """
    cut = {id(line): cut_at_spaces(line, _SPACE * measures.line_height) for line in lines}
    owner = {id(piece): line for line in lines for piece in cut[id(line)]}
    tables: list[Table] = []
    used: set[int] = set()
    for rows in _runs(rows_of([piece for pieces in cut.values() for piece in pieces]), measures):
        columns = _columns(rows, measures)
        inside = {id(owner[id(piece)]) for row in rows for piece in row}
        others = [line for line in lines if id(line) not in inside]
        if _is_table(rows, columns, measures) and _is_within_text(rows, columns, others, measures):
            cells = [cells_of(row, _held(row, columns), columns) for row in rows]
            tables.append(Table(Box.around(cell.bbox for row in cells for cell in row), tuple(cells)))
            used |= inside
    return tables, [line for line in lines if id(line) not in used]


def _runs(rows: Sequence[list[Line]], measures: Measures) -> Iterator[list[list[Line]]]:
    """Yield rows below each other that have short pieces with the same white between them."""
    run: list[list[Line]] = []
    for row in rows:
        is_short = len(row) > 1 and all(len(piece.item.text.split()) <= _MOST_WORDS for piece in row)
        is_near = run and _middle(row) - _middle(run[-1]) <= NEXT_ROW * measures.line_distance
        if run and not (
            is_short and is_near and len(_columns([*run, row], measures)) == len(_columns(run, measures))
        ):
            yield run
            run = []
        if is_short:
            run.append(row)
    if run:
        yield run


def _middle(row: Sequence[Line]) -> float:
    return joined(row).bbox.centre_y


def _columns(rows: Sequence[Sequence[Line]], measures: Measures) -> list[Span]:
    """Return the left and right end of each column: what pieces cover in any row."""
    columns: list[Span] = []
    for left, right in sorted((piece.bbox.x, piece.bbox.right) for row in rows for piece in row):
        if columns and left - columns[-1][1] < _WHITE * measures.line_height:
            columns[-1] = columns[-1][0], max(columns[-1][1], right)
        else:
            columns.append((left, right))
    return columns


def _is_table(rows: Sequence[Sequence[Line]], columns: Sequence[Span], measures: Measures) -> bool:
    if len(rows) < FEWEST_ROWS or len(columns) < 2:  # noqa: PLR2004  # side by side
        return False
    held = [[piece for row in rows for piece in row if _is_in(piece, column)] for column in columns]
    filled = sum(any(_is_in(piece, column) for piece in row) for row in rows for column in columns)
    return filled >= _FILLED * len(rows) * len(columns) and not any(_is_prose(pieces, measures) for pieces in held)


def _is_prose(pieces: Sequence[Line], measures: Measures) -> bool:
    """Return whether a column has more than a few words in a line, or lines that fill its width."""
    words = median(len(piece.item.text.split()) for piece in pieces)
    width = max(piece.bbox.right for piece in pieces) - min(piece.bbox.x for piece in pieces)
    filled = median(piece.bbox.width for piece in pieces) >= _FULL * width
    return words > _USUAL_WORDS or (filled and width >= _WIDE * measures.line_height)


def _is_in(piece: Line, column: Span) -> bool:
    return column[0] <= piece.bbox.centre_x <= column[1]


def _held(row: Sequence[Line], columns: Sequence[Span]) -> list[list[Line]]:
    return [[piece for piece in row if _is_in(piece, column)] for column in columns]


def _is_within_text(
    rows: Sequence[Sequence[Line]], columns: Sequence[Span], others: Sequence[Line], measures: Measures
) -> bool:
    """Return whether text above or below goes over the white between all of the columns."""
    top, bottom = min(piece.bbox.y for piece in rows[0]), max(piece.bbox.bottom for piece in rows[-1])
    whites = [(one[1] + other[0]) / 2 for one, other in pairwise(columns)]
    return any(
        all(sum(crosses(line, x, measures) for line in side) >= _FEWEST_LINES for x in whites)
        for side in near_table(others, top, bottom, measures)
    )
