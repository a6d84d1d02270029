"""Splits the lines and pictures of a page into columns, in reading order.

A recursive cut in the manner of the X-Y cut (G. Nagy and S. Seth, "Hierarchical representation of optically
scanned documents", ICPR 1984), with one difference: the cut goes along the longest gutter, a vertical band that
nothing crosses over some height with content on both sides, and the parts above and below the gutter are cut in
their turn. So a heading over two columns ends the gutter instead of hiding it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from worker.ocr.boxes import Box, Picture
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.straight import Placed

_GUTTER = 0.3
"""Minimum width of a gutter, in line heights."""
_SHORTEST_GUTTER = 2.5
"""Minimum height over which both sides of a gutter have content, in line heights."""
_NARROWEST_COLUMN = 5.0
"""Minimum width of a column, in line heights; page and verse numbers and initials are narrower."""


Item = Placed[OcrLine] | Placed[Picture]


@dataclass(frozen=True, slots=True)
class _Gutter:
    left: float
    right: float
    top: float
    bottom: float


def split_columns(items: Sequence[Item], line_height: float) -> list[list[Item]]:
    """Group items into columns in reading order: left before right, and items that span the columns in their place.

    The items of each column are ordered by their middles, downwards. `line_height` is in pixels.
    """
    gutter = _longest_gutter(items, line_height)
    if gutter is None:
        return [sorted(items, key=lambda item: item.bbox.centre_y)]
    parts: dict[str, list[Item]] = {"above": [], "left": [], "right": [], "below": []}
    for item in items:
        parts[_side(item.bbox, gutter)].append(item)
    return [column for part in parts.values() if part for column in split_columns(part, line_height)]


def _side(box: Box, gutter: _Gutter) -> str:
    if box.centre_y <= gutter.top:
        return "above"
    if box.centre_y >= gutter.bottom:
        return "below"
    return "left" if box.right <= gutter.left else "right"


def _longest_gutter(items: Sequence[Item], line_height: float) -> _Gutter | None:
    boxes = [item.bbox for item in items]
    width = _GUTTER * line_height
    # Right edges nearer to each other than a gutter is wide end at the same gutter: the rightmost one is enough.
    edges = {int(box.right / width): box.right for box in sorted(boxes, key=lambda box: box.right)}
    best, longest = None, _SHORTEST_GUTTER * line_height
    for edge in edges.values():
        for top, bottom in _free_stretches(boxes, edge, edge + width):
            if bottom - top <= longest:
                continue
            gutter = _Gutter(edge, edge + width, top, bottom)
            height = _height_side_by_side(boxes, gutter, line_height)
            if height > longest:
                best, longest = gutter, height
    return best


def _free_stretches(boxes: list[Box], left: float, right: float) -> list[tuple[float, float]]:
    """Return top and bottom of each stretch between two boxes that cross the band from left to right."""
    across = sorted(box.centre_y for box in boxes if box.x < right and box.right > left)
    return list(pairwise([float("-inf"), *across, float("inf")]))


def _height_side_by_side(boxes: list[Box], gutter: _Gutter, line_height: float) -> float:
    """Return the height with wide enough columns on both sides of a gutter, in pixels; 0 for none."""
    inside = [box for box in boxes if gutter.top < box.centre_y < gutter.bottom]
    left = [box for box in inside if box.right <= gutter.left]
    right = [box for box in inside if box.right > gutter.left]
    if not left or not right:
        return 0.0
    one, other = Box.around(left), Box.around(right)
    if min(one.width, other.width) < _NARROWEST_COLUMN * line_height:
        return 0.0
    return min(one.bottom, other.bottom) - max(one.y, other.y)
