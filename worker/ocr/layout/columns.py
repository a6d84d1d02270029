"""Splits the lines and pictures of a page into columns, in reading order.

A recursive cut in the manner of the X-Y cut (G. Nagy and S. Seth, "Hierarchical representation of optically
scanned documents", ICPR 1984), with two differences. The cut goes along the longest gutter, a vertical band that
nothing crosses over some height with content on both sides, and the parts above and below the gutter are cut in
their turn; so a heading over two columns ends the gutter instead of hiding it. And what may not cross a gutter are
words, not lines: engines read over a narrow gutter, and such lines are cut there.
"""

from collections.abc import Sequence

from worker.ocr.boxes import Box
from worker.ocr.layout.bands import bands_between
from worker.ocr.layout.cut_lines import cut_line
from worker.ocr.layout.gutters import Gutter, Item, find_gutters
from worker.ocr.layout.rows import Measures
from worker.ocr.layout.ruled_gutters import ruled_gutter


def split_columns(items: Sequence[Item], measures: Measures, rules: Sequence[Box] = ()) -> list[list[Item]]:
    """Group items into columns in reading order: left before right, items that span the columns in their place.

    The items of each column are ordered by their middles, downwards. Lines over a gutter are cut in two.

    Args:
        items: lines and pictures of a page, straightened.
        measures: of the page.
        rules: upright ones, where the gutter is too narrow to be seen.
    """
    return _split(items, measures, rules, ())


def _split(
    items: Sequence[Item], measures: Measures, rules: Sequence[Box], known: tuple[Gutter, ...]
) -> list[list[Item]]:
    gutters = find_gutters(items, measures, known)
    if gutters:
        bands = list(bands_between(items, [gutter.middle for gutter in gutters], measures))
        if len(bands) > 1:
            known = (*known, *gutters)
            return [column for band in bands for column in _split(band, measures, rules, known)]
    gutter = gutters[-1] if gutters else ruled_gutter(items, rules, measures)
    if gutter is None:
        return [sorted(items, key=lambda item: item.bbox.centre_y)] if items else []
    parts: dict[str, list[Item]] = {"above": [], "left": [], "right": [], "below": []}
    for item in items:
        if item.bbox.centre_y <= gutter.top:
            parts["above"].append(item)
        elif item.bbox.centre_y >= gutter.bottom:
            parts["below"].append(item)
        else:
            for piece in cut_line(item, gutter.middle):
                parts["left" if piece.bbox.centre_x < gutter.middle else "right"].append(piece)
    known = (*known, gutter)
    return [column for part in parts.values() for column in _split(part, measures, rules, known)]
