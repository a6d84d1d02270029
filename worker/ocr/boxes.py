"""Rectangles on a page, in pixels of the page image; the origin is its top left corner, y grows downwards."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeVar, cast

Point = tuple[int, int]
"""X and y."""
Baseline = tuple[Point, Point]
"""The line that letters stand on, from its beginning to its end as it is read."""
Polygon = tuple[Point, Point, Point, Point]
"""The corners of a line of print, clockwise from the top left of the line as it is read."""
Points = TypeVar("Points", Baseline, Polygon)


class Box(NamedTuple):
    """An upright rectangle: x and y of its top left corner, width and height, all in pixels."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def from_corners(cls, left: float, top: float, right: float, bottom: float) -> Self:
        """Return the box between two corners, rounded to whole pixels."""
        x, y = round(left), round(top)
        return cls(x, y, round(right) - x, round(bottom) - y)

    @classmethod
    def around(cls, boxes: Iterable["Box"]) -> Self:
        """Return the smallest box that contains all of `boxes`, which must not be empty."""
        sides = ((x, y, x + width, y + height) for x, y, width, height in boxes)
        left, top, right, bottom = zip(*sides, strict=True)
        return cls.from_corners(min(left), min(top), max(right), max(bottom))

    @property
    def right(self) -> int:
        """X of the right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """Y of the bottom edge."""
        return self.y + self.height

    @property
    def centre_x(self) -> float:
        """X of the middle."""
        return self.x + self.width / 2

    @property
    def centre_y(self) -> float:
        """Y of the middle."""
        return self.y + self.height / 2

    @property
    def corners(self) -> Polygon:
        """The corners, clockwise from the top left."""
        return (self.x, self.y), (self.right, self.y), (self.right, self.bottom), (self.x, self.bottom)

    def clamped(self, width: int, height: int) -> "Box":
        """Return the part inside a page of that size; its width or height is 0 or less if nothing is inside."""
        return Box.from_corners(max(self.x, 0), max(self.y, 0), min(self.right, width), min(self.bottom, height))

    def nearest(self, width: int, height: int) -> "Box":
        """Return the part inside a page of that size, or the pixel that is nearest to the box."""
        x, y = min(max(self.x, 0), width - 1), min(max(self.y, 0), height - 1)
        return Box.from_corners(x, y, max(x + 1, min(self.right, width)), max(y + 1, min(self.bottom, height)))


def points_inside(points: Points, width: int, height: int) -> Points:
    """Return points with those outside a page of that size moved to its edge."""
    return cast(Points, tuple((min(max(x, 0), width), min(max(y, 0), height)) for x, y in points))


@dataclass(frozen=True, slots=True)
class Picture:
    """An illustration, photograph or ornament.

    Attributes:
        bbox: upright box around it, in pixels of the page image.
        fill: share of dark pixels in the box, from 0 to 1.
    """

    bbox: Box
    fill: float
