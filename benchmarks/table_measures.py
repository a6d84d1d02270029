"""What is measured on tables of known pages: how many are found, with their cells, and what is taken for one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sample.truth_pages import RegionKind, TrueRegion, Truth

_FOUND = 0.5
"""Minimum share of the cells of a table that a table has which was found."""

ReadRegion = Mapping[str, Any]
_Grid = list[list[str]]


@dataclass(frozen=True, slots=True)
class TableCounts:
    """Tables and their cells on some pages.

    Attributes:
        tables, found: how many are printed, and how many of these are a table as read.
        cells, right: of all printed tables, and those that are in their row and column with their text.
        false: tables as read that are not one of these.
    """

    tables: int = 0
    found: int = 0
    cells: int = 0
    right: int = 0
    false: int = 0

    def __add__(self, other: "TableCounts") -> "TableCounts":
        return TableCounts(
            self.tables + other.tables,
            self.found + other.found,
            self.cells + other.cells,
            self.right + other.right,
            self.false + other.false,
        )


def count_tables(truth: Truth, read: Sequence[ReadRegion]) -> TableCounts:
    """Compare the tables of a page with those as read, by the text of their cells."""
    left = [_grid(region["text"]) for region in read if region["type"] == RegionKind.TABLE]
    counts = TableCounts()
    for table in truth.of_kind(RegionKind.TABLE):
        printed = _printed(table)
        best = max(left, key=lambda grid: _right(printed, grid), default=None)
        right = 0 if best is None else _right(printed, best)
        found = best is not None and right >= _FOUND * len(table.cells)
        if best is not None and found:
            left.remove(best)
        counts += TableCounts(1, int(found), len(table.cells), right if found else 0)
    return counts + TableCounts(false=len(left))


def _grid(text: str) -> _Grid:
    return [line.split("\t") for line in text.split("\n")]


def _printed(table: TrueRegion) -> _Grid:
    return _grid(table.text)


def _right(printed: _Grid, read: _Grid) -> int:
    """Return how many cells are where they are printed, with the same letters."""
    return sum(
        _letters(cell) == _letters(other)
        for row, other_row in zip(printed, read, strict=False)
        for cell, other in zip(row, other_row, strict=False)
    )


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
