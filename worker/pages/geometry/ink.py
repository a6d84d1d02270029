"""The ink of a page on a small copy, as all steps of the geometry look at it."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Mask = NDArray[np.uint8]

_LONGER_SIDE = 1200
"""Maximum of the longer side of the copy, in pixels. Small letters of 10 points are 6 or 7 pixels high on it."""
_NEIGHBOURHOOD = 31
_DARKER_BY = 18
"""Ink is darker by this than the mean of the square around it, of 255: beds, stains and shadows are not ink."""
_SMALLEST = 3
"""Minimum of the longer side of a letter, in pixels."""
_TALLEST = 60
"""Maximum height of a letter, in pixels."""
_LONGEST = 200
"""Maximum length of letters that touch, in pixels."""
_SLENDEREST = 12
"""Maximum length of a part in its thicknesses. A rule, or the edge of a sheet, is longer."""
_SHORTEST_RULE = 30
"""Length below which a part may be as thin as it is: a dash, or an `l`. In pixels."""


class SmallCopy(NamedTuple):
    """A page in grey and its ink.

    Attributes:
        grey: of shape (height, width).
        ink: 1 where there is ink, of the same shape.
        scale: size of the copy as a share of the page's.
    """

    grey: Grey
    ink: Mask
    scale: float


def small_copy(page: NDArray[Any]) -> SmallCopy:
    """Return a small copy of a page.

    Args:
        page: bytes of shape (height, width), or (height, width, 3) with red, green and blue.
    """
    height, width = page.shape[:2]
    scale = min(1.0, _LONGER_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    full = page if page.ndim == 2 else cv2.cvtColor(page, cv2.COLOR_RGB2GRAY)  # noqa: PLR2004  # grey has no third axis
    # A tenth of the time of one step: only whole factors are fast.
    factor = int(1 / scale)
    halved = cv2.resize(full, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    grey: Any = cv2.resize(halved, size, interpolation=cv2.INTER_AREA)
    ink: Any = cv2.adaptiveThreshold(
        grey, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, _NEIGHBOURHOOD, _DARKER_BY
    )
    return SmallCopy(grey, ink, scale)


def letters(ink: Mask) -> Mask:
    """Return the ink without parts that are too large, too long or too small for letters."""
    _, labels, found, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    parts: Any = found
    longer = np.maximum(parts[:, cv2.CC_STAT_WIDTH], parts[:, cv2.CC_STAT_HEIGHT])
    shorter = np.minimum(parts[:, cv2.CC_STAT_WIDTH], parts[:, cv2.CC_STAT_HEIGHT])
    small = (longer >= _SMALLEST) & (shorter <= _TALLEST) & (longer <= _LONGEST)
    small &= (longer <= _SLENDEREST * shorter) | (longer < _SHORTEST_RULE)
    small[0] = False
    kept: Mask = small.astype(np.uint8)[labels]
    return kept
