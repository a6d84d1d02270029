"""Where lines are on a page, from the map of a network for text detection by differentiable binarisation.

The method is that of Liao et al., "Real-Time Scene Text Detection with Differentiable Binarization" (AAAI 2020),
with the steps and the rounding of RapidOCR's `DBPostProcess`, so that both find the same boxes. RapidOCR's own
module takes longer to import than both models to load.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

from worker.ocr.engines.rapid.bows import Bow, fills, find_bow, marked_by

_BINARY = 255 * 0.3
_MIN_SCORE = 255 * 0.5
_WIDENED = 1.6
"""The network marks the middle of a line; its box is wider by this times its area through its circumference."""
_MIN_SIDE = 3
_MAX_LINES = 20_000
_DILATION = np.ones((2, 2), np.uint8)

Corners = NDArray[np.float32]


class LineBox(NamedTuple):
    """Where a line is.

    Attributes:
        corners: of shape (4, 2), clockwise from the top left, in pixels.
        bow: how its middle runs; None for a straight line.
    """

    corners: Corners
    bow: Bow | None = None


def line_boxes(heat: NDArray[np.uint8], height: int, width: int) -> list[LineBox]:
    """Return where each line is, in pixels of the page.

    Args:
        heat: how probable text is for each pixel of a copy of the page, from 0 to 255.
        height: of the page, in pixels.
        width: of the page, in pixels.
    """
    found = [LineBox(_on_page(box.corners, heat.shape, height, width), box.bow) for box in _on_copy(heat)]
    return [box for box in found if _side(box.corners, 1) > _MIN_SIDE and _side(box.corners, 3) > _MIN_SIDE]


def _on_copy(heat: NDArray[np.uint8]) -> Iterator[LineBox]:
    mask = cv2.dilate((heat > _BINARY).astype(np.uint8), _DILATION)
    contours, _ = cv2.findContours(mask * np.uint8(255), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours[:_MAX_LINES]:
        core, shorter = _rectangle_around(contour)
        if shorter < _MIN_SIDE:
            continue
        corners, widened = _rectangle_around(_widened(core))
        if widened < _MIN_SIDE + 2:
            continue
        bow = _bow(heat, contour, core, corners)
        if bow or _score(heat, core) >= _MIN_SCORE:
            yield LineBox(corners, bow)


def _bow(heat: NDArray[np.uint8], contour: NDArray[Any], core: Corners, corners: Corners) -> Bow | None:
    """Return the bow of a line; None for a straight one, and where the network is not sure of it."""
    if fills(contour, (_length(core, 1), _length(core, 3))):
        return None
    marked = marked_by(contour)
    height, width = marked.mask.shape
    there = heat[marked.top : marked.top + height, marked.left : marked.left + width]
    return find_bow(marked, corners) if cv2.mean(there, marked.mask)[0] >= _MIN_SCORE else None


def _rectangle_around(points: NDArray[Any]) -> tuple[Corners, float]:
    """Return the corners of the smallest rectangle around points, from the top left, and its shorter side."""
    rectangle = cv2.minAreaRect(points)
    by_x = sorted(cv2.boxPoints(rectangle), key=lambda point: float(point[0]))
    left, right = (sorted(pair, key=lambda point: float(point[1])) for pair in (by_x[:2], by_x[2:]))
    return np.array([left[0], right[0], right[1], left[1]], np.float32), min(rectangle[1])


def _score(heat: NDArray[np.uint8], corners: Corners) -> float:
    """Return the mean of the map inside of a rectangle."""
    limits = np.array(heat.shape[::-1]) - 1
    low = np.clip(np.floor(corners.min(axis=0)).astype(np.int32), 0, limits)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(np.int32), 0, limits)
    mask = np.zeros((high - low + 1)[::-1], np.uint8)
    cv2.fillPoly(mask, (corners - low.astype(np.float32)).astype(np.int32)[np.newaxis], 1)
    return float(cv2.mean(heat[low[1] : high[1] + 1, low[0] : high[0] + 1], mask)[0])


def _widened(corners: Corners) -> NDArray[np.int32]:
    """Return the outline of a rectangle with a rounded margin around it."""
    exact = corners.astype(np.float64)
    x, y = exact.T
    area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    length = float(np.linalg.norm(exact - np.roll(exact, -1, axis=0), axis=1).sum())
    offset = pyclipper.PyclipperOffset()
    offset.AddPath(corners, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    return np.array(offset.Execute(area * _WIDENED / length), np.int32).reshape(-1, 1, 2)


def _on_page(corners: Corners, size: tuple[int, ...], height: int, width: int) -> Corners:
    """Return corners on a copy of this size as whole pixels of the page, clockwise from the top left."""
    page = np.array((width, height), np.float32)
    # In single precision, as a half may be rounded to another pixel in double precision.
    scaled = np.clip(np.round(corners / np.array(size[::-1], np.float32) * page), 0, page).astype(np.int32)
    by_x = scaled[np.argsort(scaled[:, 0])]
    left, right = (pair[np.argsort(pair[:, 1])] for pair in (by_x[:2], by_x[2:]))
    ordered = np.array([left[0], right[0], right[1], left[1]], np.float32)
    return np.minimum(ordered, page - 1)


def _side(corners: Corners, to: int) -> int:
    return int(_length(corners, to))


def _length(corners: Corners, to: int) -> float:
    return float(np.linalg.norm(corners[0] - corners[to]))
