"""The grid of a stage's pages: where the holes are."""

from itertools import groupby

from rich.text import Text

from producer.watch.line import Line
from producer.watch.page_states import PageState, scaled
from producer.watch.snapshot import StageFacts
from producer.watch.symbols import ASIDE, NAMES, STYLES, Glyphs

_INDENT = 2
# Rows of whole tens are easier to count in.
_TENS = 10
# A book of 400 pages in cells of one page; more rows than these push everything else away.
_MOST_ROWS = 8


def rows_wanted(stage: StageFacts, width: int) -> int:
    """How many rows show each page in a cell of its own, within reason."""
    return min(_MOST_ROWS, -(-stage.total_pages // _cells_a_row(stage, width)))


def grid(stage: StageFacts, width: int, rows: int, glyphs: Glyphs) -> tuple[list[Text], int]:
    """A stage's pages in so many rows at the most, and how many pages a cell stands for.

    Each row begins with the number of its first page.
    """
    a_row = _cells_a_row(stage, width)
    cells, pages = scaled(stage.states, a_row * rows)
    digits = len(str(stage.total_pages))
    lines = []
    for start in range(0, len(cells), a_row):
        line = Line(width, glyphs)
        line.add(f"{'':{_INDENT}}{start * pages + 1:>{digits}} ", ASIDE)
        for state, run in groupby(cells[start : start + a_row]):
            line.add_own(glyphs.pages[PageState(state)] * len(list(run)), STYLES[PageState(state)])
        lines.append(line.text)
    return lines, pages


def legend(width: int, glyphs: Glyphs) -> Text:
    """What the characters stand for."""
    full = sum(len(name) + len("x   ") for name in NAMES.values())
    gap = "  " if full <= width else " "
    line = Line(width, glyphs)
    for state, name in NAMES.items():
        line.add_own(glyphs.pages[state], STYLES[state]).add(f" {name}{gap}")
    return line.text


def _cells_a_row(stage: StageFacts, width: int) -> int:
    room = max(1, width - _INDENT - len(str(stage.total_pages)) - 1)
    return room if room < 2 * _TENS else room // _TENS * _TENS
