"""Takes the tables out of the lines of a page, so that their cells are not read as columns of text.

They are found by their rules first, then by their figures, then by words in columns within running text.
"""

from collections.abc import Sequence

from worker.ocr.layout.aligned_tables import aligned_tables
from worker.ocr.layout.rows import measure
from worker.ocr.layout.ruled_tables import ruled_tables
from worker.ocr.layout.rules import Rules
from worker.ocr.layout.straight import Line, straightened
from worker.ocr.layout.table import Table
from worker.ocr.layout.word_tables import word_tables


def take_tables(lines: Sequence[Line], rules: Rules, skew: float) -> tuple[list[Table], list[Line]]:
    """Return the tables of a page, and the lines that are not in a table; some of these are cut where one begins.

    Args:
        lines: of the page, straightened, in any order.
        rules: from `find_rules`.
        skew: of the page, in degrees.
    """
    ruled, rest = _ruled(lines, rules, skew)
    aligned, rest = aligned_tables(rest, measure([line.bbox for line in rest]))
    of_words, rest = word_tables(rest, measure([line.bbox for line in rest]))
    return [*ruled, *aligned, *of_words], straightened([line.item for line in rest], skew)


def _ruled(lines: Sequence[Line], rules: Rules, skew: float) -> tuple[list[Table], list[Line]]:
    """Return the tables with rules, which are where they are printed, and the other lines, straightened."""
    if not (rules.level and rules.upright):
        return [], list(lines)
    printed = straightened([line.item for line in lines], 0.0)
    ruled, rest = ruled_tables(printed, rules, measure([line.bbox for line in printed]))
    return ruled, straightened([line.item for line in rest], skew)
