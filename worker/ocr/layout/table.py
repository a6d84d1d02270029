"""A table: its rows and cells, and its text."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Protocol, TypeVar

from worker.ocr.boxes import Box
from worker.ocr.engines.base import OcrLine

_MOST_HEADING_ROWS = 3
_FIGURES = 0.6
"""Minimum share of figures in a column that has a heading above it."""

_FRACTION = "[\u00bc-\u00be\u2150-\u215e]"
_NUMBER = rf"[^\w\s]{{0,2}}(?:\d+(?:[.,:'\u2019/]\d+)*(?:[-\u2013]\d+)?{_FRACTION}?|{_FRACTION})[^\w\s]{{0,2}}"
_FIGURE = re.compile(rf"{_NUMBER}(?:\s{_NUMBER}){{0,3}}|[^\w\s]{{1,3}}")


class SpannedCell(Protocol):
    """What the text of a table is made of: the text of a cell, and how many rows and columns it covers."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def row_span(self) -> int: ...  # noqa: D102
    @property
    def column_span(self) -> int: ...  # noqa: D102


AnyCell = TypeVar("AnyCell", bound=SpannedCell)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        bbox: the place between its rules, or else around its text; of an empty one, where its text would be.
        lines: of print; empty for an empty cell.
        row_span, column_span: how many rows and columns it covers.
        heading: whether it is the heading of a column.
    """

    bbox: Box
    lines: tuple[OcrLine, ...] = ()
    row_span: int = 1
    column_span: int = 1
    heading: bool = False

    @property
    def text(self) -> str:
        """Its lines, joined by a line feed."""
        return "\n".join(line.text for line in self.lines)

    @property
    def is_figure(self) -> bool:
        """Whether it has a number, or a sign that stands for one."""
        return is_figure(self.text)


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        bbox: upright box around its cells, in pixels of the page image.
        rows: the cells that begin in each row, from left to right; a cell that a row above covers is not repeated.
    """

    bbox: Box
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def lines(self) -> tuple[OcrLine, ...]:
        """The lines of its cells, row by row."""
        return tuple(line for row in self.rows for cell in row for line in cell.lines)


def is_figure(text: str) -> bool:
    """Return whether a text is a few numbers without words, or a sign that stands for one, such as a dash."""
    return _FIGURE.fullmatch(text) is not None


def table_text(rows: Iterable[Sequence[SpannedCell]]) -> str:
    """Return the text of a table: a line for each row, with tabs between its cells.

    A cell is at the first place of its row that no cell above covers. The other places that it covers are empty.
    Line breaks within a cell are spaces, and a row does not end with tabs.

    Args:
        rows: the cells that begin in each row, from left to right.
    """
    texts = []
    for row in with_columns(rows):
        places = [""] * max((column + 1 for column, _ in row), default=0)
        for column, cell in row:
            places[column] = " ".join(cell.text.split())
        texts.append("\t".join(places).rstrip("\t"))
    return "\n".join(texts)


def with_columns(rows: Iterable[Sequence[AnyCell]]) -> Iterator[list[tuple[int, AnyCell]]]:
    """Yield the cells that begin in each row, each with its first column, numbered from 0."""
    covered: dict[int, int] = {}
    for row in rows:
        placed: list[tuple[int, AnyCell]] = []
        below = {column: rest - 1 for column, rest in covered.items()}
        column = 0
        for cell in row:
            while column in covered:
                column += 1
            placed.append((column, cell))
            below.update(dict.fromkeys(range(column, column + cell.column_span), cell.row_span - 1))
            column += cell.column_span
        covered = {column: rest for column, rest in below.items() if rest > 0}
        yield placed


def with_headings(rows: Sequence[tuple[Cell, ...]]) -> tuple[tuple[Cell, ...], ...]:
    """Return the rows with the first ones marked as headings, if they have words above columns of figures."""
    count = len(list(takewhile(lambda row: not any(cell.is_figure for cell in row), rows)))
    if not 0 < count <= _MOST_HEADING_ROWS or not _has_figures(rows[count:]):
        return tuple(rows)
    heads = [tuple(replace(cell, heading=True) for cell in row) for row in rows[:count]]
    return (*heads, *rows[count:])


def _has_figures(rows: Sequence[Sequence[Cell]]) -> bool:
    """Return whether a column but the first is mostly figures."""
    columns: dict[int, list[bool]] = {}
    for row in rows:
        for column, cell in enumerate(row[1:]):
            if cell.lines:
                columns.setdefault(column, []).append(cell.is_figure)
    return any(sum(figures) >= _FIGURES * len(figures) for figures in columns.values())
