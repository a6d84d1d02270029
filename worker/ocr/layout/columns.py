"""Splitting what stands on a page into columns, in the order in which they are read.

A recursive cut in the manner of the X-Y cut (G. Nagy and S. Seth, "Hierarchical representation of optically
scanned documents", ICPR 1984), with one difference: the cut goes along the longest gutter, a vertical band
that nothing crosses over some height with matter at both sides, and what lies above and below the gutter
is cut in its turn. So a heading over two columns ends the gutter instead of hiding it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeVar

from worker.ocr.boxes import Box

_GUTTER = 0.3
"""Least width of a gutter, in line heights."""
_SHORTEST_GUTTER = 2.5
"""Least height over which both sides of a gutter stand beside each other, in line heights."""
_NARROWEST_COLUMN = 5.0
"""In line heights; narrower are page numbers in a table of contents, verse numbers, initials."""


class Placed(Protocol):
    """Anything with a place on the page."""

    @property
    def bbox(self) -> Box:
        """Where it is, in pixels."""
        ...


PlacedT = TypeVar("PlacedT", bound=Placed)


@dataclass(frozen=True, slots=True)
class _Gutter:
    left: float
    right: float
    top: float
    bottom: float


def split_columns(items: Sequence[PlacedT], line_height: float) -> list[list[PlacedT]]:
    """Group items into columns: left before right, what spans the columns where it stands between them.

    Args:
        items: lines of text and pictures.
        line_height: of ordinary text, in pixels.

    Returns:
        The columns in reading order; within each the items stand in the order of their middles, downwards.
    """
    gutter = _longest_gutter(items, line_height)
    if gutter is None:
        return [sorted(items, key=lambda item: item.bbox.centre_y)]
    parts: dict[str, list[PlacedT]] = {"above": [], "left": [], "right": [], "below": []}
    for item in items:
        parts[_side(item.bbox, gutter)].append(item)
    return [column for part in parts.values() if part for column in split_columns(part, line_height)]


def _side(box: Box, gutter: _Gutter) -> str:
    if box.centre_y <= gutter.top:
        return "above"
    if box.centre_y >= gutter.bottom:
        return "below"
    return "left" if box.right <= gutter.left else "right"


def _longest_gutter(items: Sequence[Placed], line_height: float) -> _Gutter | None:
    boxes = [item.bbox for item in items]
    width = _GUTTER * line_height
    # Right edges nearer to each other than a gutter is wide end in the same gutter: the rightmost stands for all.
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
    """Top and bottom of each stretch between two boxes that lie across the band from left to right."""
    across = sorted(box.centre_y for box in boxes if box.x < right and box.right > left)
    bounds = [float("-inf"), *across, float("inf")]
    return list(pairwise(bounds))


def _height_side_by_side(boxes: list[Box], gutter: _Gutter, line_height: float) -> float:
    """Over what height wide enough columns stand at both sides of a gutter, in pixels; 0 for none."""
    inside = [box for box in boxes if gutter.top < box.centre_y < gutter.bottom]
    left = [box for box in inside if box.right <= gutter.left]
    right = [box for box in inside if box.right > gutter.left]
    if not left or not right:
        return 0.0
    one, other = Box.around(left), Box.around(right)
    if min(one.width, other.width) < _NARROWEST_COLUMN * line_height:
        return 0.0
    return min(one.bottom, other.bottom) - max(one.y, other.y)
