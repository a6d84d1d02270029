"""Finds where the words of a line are, and its baseline: the model tells about where, the ink tells exactly.

All lengths are pixels of the line image that the model reads, which is upright and has a fixed height.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_SPECK = 4
"""Minimum area of a connected part that is ink."""
_INTRUDER = 0.3
"""Maximum height, as a share of the line's, of a part at the upper or lower edge that belongs to another line."""
_WIDEST_LETTER = 2.5
"""In mean advances: where the line may begin before the middle of its first letter, and end after the last."""
_LOWER_HALF = 0.5
_AROUND_BASELINE = 2
"""Rows above and below the baseline whose ink is compared."""


class Span(NamedTuple):
    """The middles of the first and of the last character of a word, along the line."""

    first: float
    last: float


class Place(NamedTuple):
    """The edges of a word."""

    left: float
    top: float
    right: float
    bottom: float


class Places(NamedTuple):
    """The places of the words of a line, in order, and the height at which it stands."""

    words: list[Place]
    baseline: float


def find_places(line: NDArray[np.uint8], spans: Sequence[Span], advance: float) -> Places:
    """Return where the words are.

    Args:
        line: blue, green and red, of shape (height, width, 3).
        spans: of the words, in order; at least one.
        advance: mean distance from one character to the next.
    """
    ink = ink_of(line)
    edges = _edges(np.any(ink, axis=0), spans, advance)
    return Places([_place(ink, left, right) for left, right in edges], _baseline(ink))


def ink_of(line: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels are ink of this line: no specks, nothing of the lines above and below."""
    grey = cv2.cvtColor(line, cv2.COLOR_BGR2GRAY)
    _, dark = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    height, width = dark.shape
    if 2 * cv2.countNonZero(dark) > height * width:
        dark = 1 - dark  # white on black
    labels: Any
    found: Any
    _, labels, found, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    top, tall = found[:, cv2.CC_STAT_TOP], found[:, cv2.CC_STAT_HEIGHT]
    at_edge = (top == 0) | (top + tall == height)
    belongs = (found[:, cv2.CC_STAT_AREA] >= _SPECK) & ~(at_edge & (tall < _INTRUDER * height))
    belongs[0] = False  # the paper
    ink: NDArray[np.bool_] = belongs[labels]
    return ink


def gaps_between(inked: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first column of each gap in the ink, and the first one after it.

    Args:
        inked: which columns have ink.
    """
    change = np.flatnonzero(np.diff(np.concatenate([[True], inked, [True]]).astype(np.int8)))
    return change[::2], change[1::2]


def _edges(inked: NDArray[np.bool_], spans: Sequence[Span], advance: float) -> list[tuple[int, int]]:
    """Return left and right edge of each word: the widest gap in the ink between two words divides them."""
    width = len(inked)
    starts, ends = gaps_between(inked)
    lefts = [max(0, round(spans[0].first - _WIDEST_LETTER * advance))]
    rights = []
    for one, other in pairwise(spans):
        low, high = np.searchsorted(ends, one.last, "right"), np.searchsorted(starts, other.first)
        if low < high:
            widest = low + int(np.argmax(ends[low:high] - starts[low:high]))
            rights.append(int(starts[widest]))
            lefts.append(int(ends[widest]))
        else:
            middle = round((one.last + other.first) / 2)
            rights.append(middle)
            lefts.append(middle)
    rights.append(min(width, round(spans[-1].last + _WIDEST_LETTER * advance) + 1))
    return list(zip(lefts, rights, strict=True))


def _place(ink: NDArray[np.bool_], left: int, right: int) -> Place:
    """Return the edges of the ink between two columns; all of the height between them if there is none."""
    part = ink[:, left:right]
    columns, rows = np.flatnonzero(np.any(part, axis=0)), np.flatnonzero(np.any(part, axis=1))
    if not len(columns):
        return Place(left, 0, max(right, left + 1), ink.shape[0])
    return Place(left + int(columns[0]), int(rows[0]), left + int(columns[-1]) + 1, int(rows[-1]) + 1)


def _baseline(ink: NDArray[np.bool_]) -> float:
    """Return the height in the lower half below which there is most suddenly less ink."""
    total = np.concatenate([[0], np.cumsum(np.count_nonzero(ink, axis=1))])
    near = _AROUND_BASELINE
    first = round(_LOWER_HALF * ink.shape[0])
    rows = np.arange(first, ink.shape[0] - near + 1)
    drop = 2 * total[rows] - total[rows - near] - total[rows + near]
    return float(rows[int(np.argmax(drop))])
