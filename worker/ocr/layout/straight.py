"""Straightens a page: finds how far its lines are skewed, and where everything is on the page turned back.

Only places are computed. The picture of the page is not turned, and lines keep their own boxes.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from worker.ocr.boxes import Box, Picture, Polygon
from worker.ocr.engines.base import OcrLine

_LARGEST_SKEW = 20.0
"""In degrees. Lines that are farther from level run along or against the page, and say nothing about its skew."""
_SHORTEST_LINE = 4.0
"""Minimum length, in its own heights, of a line whose direction counts: the corners of a short one are too near."""

Item_co = TypeVar("Item_co", OcrLine, Picture, covariant=True)


@dataclass(frozen=True, slots=True)
class Placed(Generic[Item_co]):
    """A line or a picture with its place on the straightened page, in pixels.

    Attributes:
        bbox: upright box around it.
        words: left and right end of each of its words; empty if the places of its words are not known.
    """

    item: Item_co
    bbox: Box
    words: tuple[tuple[float, float], ...] = ()


Line = Placed[OcrLine]


@dataclass(frozen=True, slots=True)
class _Direction:
    """The direction of a line: its angle from level, clockwise, in degrees, and its length in pixels."""

    degrees: float
    length: float


def skew_of(lines: Iterable[OcrLine]) -> float:
    """Return how far a page is turned clockwise, in degrees: the median of its lines, each counted by its length.

    0 if most of the print runs upwards, downwards or backwards, or if the engine gives no outlines.
    """
    directions = sorted(filter(None, map(_direction, lines)), key=lambda direction: direction.degrees)
    half = sum(direction.length for direction in directions) / 2
    passed = 0.0
    for direction in directions:
        passed += direction.length
        if passed >= half:
            return direction.degrees if abs(direction.degrees) <= _LARGEST_SKEW else 0.0
    return 0.0


def straightened(items: Iterable[Item_co], skew: float) -> list[Placed[Item_co]]:
    """Return the items with their boxes on the page turned back by `skew` degrees around its top left corner."""
    turn = _Turn(skew)
    return [turn.placed(item) for item in items]


def _direction(line: OcrLine) -> _Direction | None:
    width, height, degrees = _measures(line.outline)
    return _Direction(degrees, width) if width >= _SHORTEST_LINE * height else None


def _measures(polygon: Polygon) -> tuple[float, float, float]:
    """Return the width and the height of a line in pixels, along and across its direction, and that in degrees."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = polygon
    along = (bx + cx - ax - dx) / 2, (by + cy - ay - dy) / 2
    across = (cx + dx - ax - bx) / 2, (cy + dy - ay - by) / 2
    return math.hypot(*along), math.hypot(*across), math.degrees(math.atan2(along[1], along[0]))


class _Turn:
    """Turns places back by an angle in degrees."""

    def __init__(self, degrees: float) -> None:
        self._degrees = degrees
        self._cos, self._sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def placed(self, item: Item_co) -> Placed[Item_co]:
        """Return a line or a picture in its place after the turn."""
        if isinstance(item, Picture):
            return Placed(item, self._turned(item.bbox))
        words = [self._turned(word.bbox) for word in item.words]
        # Only words that are beside each other, in order, and that are all of the text have places.
        in_order = all(one.centre_x < other.centre_x for one, other in pairwise(words))
        are_known = in_order and [word.text for word in item.words] == item.text.split()
        ends = tuple((box.x, box.right) for box in words) if are_known else ()
        return Placed(item, self._box_of(item, words), ends)

    def _box_of(self, line: OcrLine, words: Sequence[Box]) -> Box:
        if line.polygon is None:
            return self._turned(line.bbox)
        outline = _around(line.polygon, self)
        if not words:
            return outline
        # The outlines of RapidOCR are wider than the ink, so that those of narrow columns touch.
        left = max(outline.x, min(word.x for word in words))
        right = min(outline.right, max(word.right for word in words))
        return Box(left, outline.y, right - left, outline.height) if left < right else outline

    def point(self, x: float, y: float) -> tuple[float, float]:
        return x * self._cos + y * self._sin, y * self._cos - x * self._sin

    def level(self, degrees: float) -> bool:
        """Return whether a line of this direction is about level after the turn."""
        return abs(degrees - self._degrees) <= _LARGEST_SKEW

    def _turned(self, box: Box) -> Box:
        """Return the rectangle with this skew around which an upright box is the smallest, turned back."""
        if not self._sin:
            return box
        sin = abs(self._sin)
        double = self._cos**2 - sin**2
        width = max((box.width * self._cos - box.height * sin) / double, 1.0)
        height = max((box.height * self._cos - box.width * sin) / double, 1.0)
        return _centred(self.point(box.centre_x, box.centre_y), width, height)


def _around(polygon: Polygon, turn: _Turn) -> Box:
    """Return the box of a line. One that is not quite parallel to the others is no higher than they are."""
    width, height, degrees = _measures(polygon)
    if turn.level(degrees):
        middle = sum(x for x, _ in polygon) / len(polygon), sum(y for _, y in polygon) / len(polygon)
        return _centred(turn.point(*middle), max(width, 1.0), max(height, 1.0))
    xs, ys = zip(*(turn.point(x, y) for x, y in polygon), strict=True)
    return Box.from_corners(min(xs), min(ys), max(xs), max(ys))


def _centred(middle: tuple[float, float], width: float, height: float) -> Box:
    x, y = middle
    return Box.from_corners(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
