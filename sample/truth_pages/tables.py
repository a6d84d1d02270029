"""Tables: some rows of terms and numbers, ruled or held together by their alignment only."""

from dataclasses import dataclass

import numpy as np

from sample.truth_pages.geometry import Polygon
from sample.truth_pages.model import Cell, RegionKind, TrueLine
from sample.truth_pages.setting import Texts, Type
from sample.truth_pages.sheet import PrintedSheet

_PADDING = 0.5
"""White between a rule and what is in the cell, in ems."""
_FEWEST_ROWS, _MOST_ROWS = 4, 9


@dataclass(frozen=True, slots=True)
class Table:
    """The texts of a table, the heads of its columns in the first row, and how it is printed."""

    rows: tuple[tuple[str, ...], ...]
    ruled: bool

    def height(self, body: Type) -> float:
        """Return its height in pixels."""
        return (len(self.rows) + 1) * body.leading

    def print_on(self, sheet: PrintedSheet, body: Type, left: float, top: float, width: float) -> None:
        """Print the table, the first column wide and to the left, the others to the right of their cells."""
        padding = _PADDING * body.em
        count = len(self.rows[0])
        first = max(body.font.getlength(row[0]) for row in self.rows) + 2 * padding
        other = min((width - first) / (count - 1), 7 * body.em)
        edges = [left, *(left + first + index * other for index in range(count))]
        lines: list[TrueLine] = []
        cells: list[Cell] = []
        for row, texts in enumerate(self.rows):
            baseline = top + 0.25 * body.leading + (row + 0.75) * body.leading
            for column, text in enumerate(texts):
                x = edges[column] + padding
                if column:
                    x = edges[column + 1] - padding - _width(text, body)
                lines.append(sheet.print_words(text.split(), body.font, (x, baseline)))
                cells.append(Cell(row, column, len(lines) - 1))
        rules = self._rules(sheet, body, edges, top) if self.ruled else []
        sheet.add(RegionKind.TABLE, lines, around=rules, cells=cells)

    def _rules(self, sheet: PrintedSheet, body: Type, edges: list[float], top: float) -> list[Polygon]:
        thickness = max(1, round(body.em / 20))
        upper = top + 0.25 * body.leading
        lower = upper + len(self.rows) * body.leading
        levels = [upper + row * body.leading for row in range(len(self.rows) + 1)]
        return [
            *(sheet.rule((edges[0], y), (edges[-1], y), thickness) for y in levels),
            *(sheet.rule((x, upper), (x, lower), thickness) for x in edges),
        ]


def draw_table(texts: Texts, random: np.random.Generator, body: Type, width: float, *, ruled: bool) -> Table:
    """Draw the texts of a table that is at most `width` pixels wide."""
    heads = texts.several_of(texts.language.column_heads, int(random.integers(2, 5)))
    terms = texts.several_of(texts.language.terms, int(random.integers(_FEWEST_ROWS, _MOST_ROWS + 1)))
    padding = 2 * _PADDING * body.em
    room = width - max(_width(term, body) for term in terms) - padding
    widest = max(_width(head, body) for head in texts.language.column_heads) + padding
    heads = heads[: max(1, int(room / widest))]
    numbers = random.integers(1, 2000, (len(terms), len(heads)))
    rows = [(term, *(str(number) for number in row)) for term, row in zip(terms, numbers.tolist(), strict=True)]
    # The corner has a word too: a table with an empty cell would have a row with fewer cells than columns.
    return Table(((texts.language.terms_head, *heads), *rows), ruled)


def _width(text: str, body: Type) -> float:
    return float(body.font.getlength(text))
