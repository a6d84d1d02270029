"""Takes the tables out of the lines of a page, so that their cells are not read as columns of text.

They are found by their rules first, then by their figures, then by words in columns within running text.
"""

from collections.abc import Sequence

from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.aligned_tables import aligned_tables
from worker.ocr.layout.rows import measure
from worker.ocr.layout.ruled_tables import ruled_tables
from worker.ocr.layout.rules import Rules
from worker.ocr.layout.straight import straightened
from worker.ocr.layout.table import Table
from worker.ocr.layout.word_tables import word_tables


def take_tables(lines: Sequence[OcrLine], rules: Rules, skew: float) -> tuple[list[Table], list[OcrLine]]:
    """Return the tables of a page, and the lines that are not in a table; some of these are cut where one begins.

    Args:
        lines: of the page, in any order.
        rules: from `find_rules`.
        skew: of the page, in degrees.
    """
    rest = straightened(lines, 0.0)
    ruled, rest = ruled_tables(rest, rules, measure([line.bbox for line in rest]))
    rest = straightened([line.item for line in rest], skew)
    aligned, rest = aligned_tables(rest, measure([line.bbox for line in rest]))
    of_words, rest = word_tables(rest, measure([line.bbox for line in rest]))
    return [*ruled, *aligned, *of_words], [line.item for line in rest]
