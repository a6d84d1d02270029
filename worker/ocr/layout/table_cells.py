"""Makes the cells of a row of a table without rules."""

from collections.abc import Sequence

from worker.ocr.boxes import Box
from worker.ocr.layout.rows import joined
from worker.ocr.layout.straight import Line
from worker.ocr.layout.table import Cell

Span = tuple[float, float]


def cells_of(row: Sequence[Line], held: Sequence[Sequence[Line]], columns: Sequence[Span]) -> tuple[Cell, ...]:
    """Return the cells of a row; an empty one is as wide as its column and as high as the row.

    Args:
        row: its pieces of lines.
        held: those in each column, from left to right.
        columns: the left and right end of each, in pixels of the page image.
    """
    whole = Box.around(piece.item.bbox for piece in row)
    return tuple(
        _cell(pieces) if pieces else Cell(Box.from_corners(left, whole.y, right, whole.bottom))
        for pieces, (left, right) in zip(held, columns, strict=True)
    )


def _cell(pieces: Sequence[Line]) -> Cell:
    line = joined(pieces).item
    return Cell(line.bbox, (line,))
