"""Measures the size of the print on a page, before anything is read: the height of its ink's connected parts.

Most letters of a text are without ascenders, about as high as its `x`. Half of the ink is below the height of the
usual print, and a tenth below that of the smallest: so a title and a picture do not hide the small print beneath,
and specks and halftone dots, which are many but have little ink, do not count. The smallest print counts only where
it is much smaller: a larger copy of a page takes more time, and lines of Fraktur are found a little worse on it.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_BAND = 1024
"""Rows that are measured at once, so that memory does not grow with the page."""
_NEIGHBOURHOOD = 41
_DARKER_BY = 20
"""Ink is darker by this than the mean of the square around it, of 255: dark beds and stains are not ink."""
_MIN_HEIGHT = 5
_MIN_WIDTH = 3
_MIN_PARTS = 20
_SMALLEST, _USUAL = 0.1, 0.5
"""Share of the ink that is in smaller parts than the smallest print, and than the usual one."""
_MUCH_SMALLER = 0.75
"""Height of the smallest print, in heights of the usual one, below which it counts."""


def x_height(grey: NDArray[Any]) -> float | None:
    """Return the height of the small letters of the print, in pixels; None if there is too little print.

    Where some of it is much smaller than the rest, that of the smallest.

    Args:
        grey: the page in bytes, of shape (height, width).
    """
    parts = np.concatenate([_parts(grey[top : top + _BAND]) for top in range(0, grey.shape[0], _BAND)])
    heights, inks = parts[:, 0], parts[:, 1]
    if len(heights) < _MIN_PARTS:
        return None
    order = np.argsort(heights)
    ink_so_far = np.cumsum(inks[order])
    places = np.searchsorted(ink_so_far, ink_so_far[-1] * np.array([_SMALLEST, _USUAL]))
    smallest, usual = heights[order][places].tolist()
    return float(smallest if smallest < _MUCH_SMALLER * usual else usual)


def _parts(band: NDArray[Any]) -> NDArray[np.int32]:
    """Return height and ink in pixels of each connected part that may be a letter, of shape (n, 2)."""
    ink = cv2.adaptiveThreshold(
        band, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, _NEIGHBOURHOOD, _DARKER_BY
    )
    found: Any
    _, _, found, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    found = found[1:]
    width, height, area = found[:, cv2.CC_STAT_WIDTH], found[:, cv2.CC_STAT_HEIGHT], found[:, cv2.CC_STAT_AREA]
    box = width * height
    like_letters = (
        (height >= _MIN_HEIGHT)
        & (width >= _MIN_WIDTH)
        & (height <= _BAND // 4)
        & (width < 12 * height)
        & (height < 8 * width)
        & (area > 0.15 * box)
        & (area < 0.9 * box)
    )
    letters: NDArray[np.int32] = np.stack([height, area], axis=1)[like_letters]
    return letters
