"""The rows of a table for the report: as OCR read it, and as corrected."""

from collections.abc import Callable, Sequence

from producer.report.model import CellReport, Rows
from producer.report.text_diff import Change, Mark, marks_of
from worker.ocr.layout.table import is_figure, with_columns
from worker.stages.ocr_regions import TableCell

Cells = Sequence[Sequence[TableCell]]


def rows_as_read(rows: Cells) -> Rows:
    """Return the rows of a table."""
    return _rows(rows, lambda _row, _column, cell: (Mark(Change.SAME, cell.text),) if cell.text else ())


def rows_as_corrected(rows: Cells, text: str) -> Rows:
    """Return the rows of a table with the changes of a corrected text; empty if that has other cells.

    Args:
        rows: as OCR read them.
        text: as corrected: a line for each row, with tabs between the cells.
    """
    fields = [line.split("\t") for line in text.split("\n")]
    placed = list(with_columns(rows))
    if len(fields) != len(placed):
        return ()
    for found, row in zip(fields, placed, strict=True):
        filled = [column for column, cell in row if cell.text]
        if len(found) != max(filled, default=0) + 1 or any(not found[column].strip() for column in filled):
            return ()
    return _rows(rows, lambda row, column, cell: _changes(cell, fields[row], column))


def _changes(cell: TableCell, fields: Sequence[str], column: int) -> tuple[Mark, ...]:
    after = fields[column] if column < len(fields) else ""
    return marks_of(" ".join(cell.text.split()), after)


def _rows(rows: Cells, marks: Callable[[int, int, TableCell], tuple[Mark, ...]]) -> Rows:
    return tuple(
        tuple(
            CellReport(
                marks=marks(number, column, cell),
                row_span=cell.row_span,
                column_span=cell.column_span,
                heading=cell.heading,
                figure=is_figure(cell.text),
            )
            for column, cell in row
        )
        for number, row in enumerate(with_columns(rows))
    )
