"""How the middle of a line runs that is not straight, as on the curled page of a bound book.

The rectangle around such a line contains parts of its neighbours, and the network marks little of it. The line is
therefore judged, and cut out, along its middle.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_DEGREE = 5
_FILLED = 0.92
"""Maximum share of its rectangle that a bowed line fills."""
_SHORTEST = 80
"""Minimum length in pixels of the map, on which small letters are about 9 pixels high."""
_LENGTH = 8
"""Minimum length in thicknesses: a shorter line does not bow."""
_SMALLEST_RISE = 0.25
"""Minimum height of the bow, in thicknesses."""
_EVEN = 0.4
"""Maximum deviation of what is marked from the middle, in thicknesses; that of a band of even thickness is 0.29."""
_LINE = 2.6
"""Height of the line in thicknesses of what the network marks, as in the rectangle around a straight line."""
_POINTS = 2000
"""So many of the pixels that the network marks are enough to find their middle."""


class Bow(NamedTuple):
    """How the middle of a line runs through its rectangle.

    Attributes:
        coefficients: of the polynomial, the highest power first, that gives how far down the middle is at a place
            along the line; both as shares of the sides of the rectangle.
        ends: the first and the last place for which it holds; beyond, the middle is level.
        height: of the line, as a share of that of the rectangle.
    """

    coefficients: NDArray[np.float64]
    ends: tuple[float, float]
    height: float

    def down(self, along: NDArray[Any], share: NDArray[Any]) -> NDArray[np.float64]:
        """Return how far down the rectangle points of the line are.

        Args:
            along: shares of the width of the rectangle.
            share: how far down the line each point is, from 0 to 1; of any shape that fits to the other.
        """
        middle: NDArray[np.float64] = np.polyval(self.coefficients, np.clip(along, *self.ends))
        return middle + (share - 0.5) * self.height


class Marked(NamedTuple):
    """What the network marks of a line, within the upright box around it.

    Attributes:
        left: of the box, in pixels of the map.
        top: of the box.
        mask: 1 where it is marked.
    """

    left: int
    top: int
    mask: NDArray[np.uint8]


def marked_by(contour: NDArray[np.int32]) -> Marked:
    """Return what a contour encloses."""
    left, top, width, height = cv2.boundingRect(contour)
    mask = np.zeros((height, width), np.uint8)
    cv2.drawContours(mask, [contour], -1, 1, cv2.FILLED, offset=(-left, -top))
    return Marked(left, top, mask)


def fills(contour: NDArray[np.int32], sides: tuple[float, float]) -> bool:
    """Return whether a contour fills the rectangle around it, so that its line is straight, or is too short to bow.

    Args:
        contour: of what is marked.
        sides: of the rectangle, in pixels.
    """
    area = cv2.contourArea(contour) + cv2.arcLength(contour, closed=True) / 2 + 1
    longer, shorter = max(sides) + 1, min(sides) + 1
    return area > _FILLED * longer * shorter or longer < _SHORTEST or longer * longer < _LENGTH * area


def find_bow(marked: Marked, corners: NDArray[np.float32]) -> Bow | None:
    """Return the bow of a line; None for one that is straight, that stands upright, or that is not an even band.

    Args:
        marked: what the network marks of it.
        corners: of the rectangle around the line, of shape (4, 2), clockwise from the top left, on the map.
    """
    rows, columns = np.nonzero(marked.mask)
    area, step = len(rows), max(1, len(rows) // _POINTS)
    points = np.stack([columns + marked.left, rows + marked.top], axis=1)[::step]
    across, beside = corners[1] - corners[0], corners[3] - corners[0]
    width, height = float(np.linalg.norm(across)), float(np.linalg.norm(beside))
    if width < height:
        return None
    along = (points - corners[0]) @ across / width**2
    down = (points - corners[0]) @ beside / height**2
    ends = float(along.min()), float(along.max())
    thickness = area / ((ends[1] - ends[0]) * width + 1) / height
    coefficients = np.polyfit(along, down, _DEGREE)
    if float(np.std(down - np.polyval(coefficients, along))) > _EVEN * thickness:
        return None
    middle = np.polyval(coefficients, np.linspace(*ends, 20))
    if float(np.ptp(middle)) < _SMALLEST_RISE * thickness:
        return None
    return Bow(coefficients, ends, min(1.0, _LINE * thickness))
