"""Rectangles on a page, in pixels of the page image; the origin is its top left corner, y grows downwards."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self


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
        held = list(boxes)
        return cls.from_corners(
            min(box.x for box in held),
            min(box.y for box in held),
            max(box.right for box in held),
            max(box.bottom for box in held),
        )

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

    def clamped(self, width: int, height: int) -> "Box":
        """Return the part inside a page of that size; its width or height is 0 or less if nothing is inside."""
        return Box.from_corners(max(self.x, 0), max(self.y, 0), min(self.right, width), min(self.bottom, height))


@dataclass(frozen=True, slots=True)
class Picture:
    """An illustration, photograph or ornament.

    Attributes:
        bbox: upright box around it, in pixels of the page image.
        fill: share of dark pixels in the box, from 0 to 1.
    """

    bbox: Box
    fill: float
