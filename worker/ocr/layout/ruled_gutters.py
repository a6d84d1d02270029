"""Finds the gutters that a printed rule shows: it may be nearer to words than these are to each other."""

from collections.abc import Iterable, Sequence

from worker.ocr.boxes import Box
from worker.ocr.layout.cut_lines import cut_line, gap_near
from worker.ocr.layout.gutters import NARROWEST_COLUMN, Gutter, Item
from worker.ocr.layout.rows import Measures

_SHORTEST = 4.0
"""Minimum length of the rule, in line heights."""
_FEWEST_LINES = 3
"""Minimum number of lines on each side."""
_BESIDE = 1.0
"""Maximum distance of a space between words from the rule that is in it, in line heights."""
_ACROSS = 0.25
"""Maximum share of the lines that have no space at the rule: engines read a rule as a letter."""


def ruled_gutter(items: Sequence[Item], rules: Iterable[Box], measures: Measures) -> Gutter | None:
    """Return the gutter at the longest upright rule that has columns of text on both sides; None if there is none.

    Args:
        items: lines and pictures of a part of the page.
        rules: upright ones, on the straightened page.
        measures: of the page.
    """
    for rule in sorted(rules, key=lambda box: box.height, reverse=True):
        if rule.height < _SHORTEST * measures.line_height:
            return None
        gutter = Gutter(rule.x, rule.right, rule.y, rule.bottom)
        if _divides(gutter, items, measures):
            return gutter
    return None


def _divides(gutter: Gutter, items: Sequence[Item], measures: Measures) -> bool:
    x = gutter.middle
    beside = [item for item in items if gutter.top < item.bbox.centre_y < gutter.bottom]
    pieces = [piece.bbox for item in beside for piece in cut_line(item, x)]
    left, right = ([box for box in pieces if (box.centre_x < x) == is_left] for is_left in (True, False))
    if min(len(left), len(right)) < _FEWEST_LINES:
        return False
    across = sum(_is_across(item, x, measures) for item in beside)
    widths = (x - min(box.x for box in left), max(box.right for box in right) - x)
    return across <= _ACROSS * len(pieces) and min(widths) >= NARROWEST_COLUMN * measures.line_height


def _is_across(item: Item, x: float, measures: Measures) -> bool:
    """Return whether a line has text at the rule, and well to both sides of it."""
    reach = _BESIDE * measures.line_height
    if not item.bbox.x + reach < x < item.bbox.right - reach:
        return False
    gap = gap_near(item, x)
    return gap is None or not gap[0] - reach <= x <= gap[1] + reach
