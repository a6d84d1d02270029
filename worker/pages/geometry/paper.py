"""Where the sheet of paper is on a picture that shows the bed of the scanner around it."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.pages.geometry.ink import Grey, Mask

_TEXT = 15
"""Side of the square, in pixels of the copy, within which dark print on bright paper is covered."""
_DARKEST_PAPER = 0.62
"""Maximum brightness of a dark bed as a share of the paper's."""
_BRIGHTEST_BED = 232
"""Minimum brightness of a bright bed, of 255."""
_DARKER_THAN_BED = 14
"""Minimum difference between a bright bed and the paper, of 255."""
_EVEN = 30
"""A bed is even: most of it differs from its median by less than this, of 255. Pictures are not."""
_EVEN_SHARE = 0.75
_SMALLEST_PAPER = 0.25
"""Minimum area of the paper as a share of the picture's."""
_SMALLEST_BED = 0.004
_FILLED = 0.88
"""Minimum share of the box that is paper. A torn sheet, or a picture with a bright part, has less."""
_SOFT_EDGE = 1
"""Pixels of the copy along each side that show both paper and bed."""
_INK_ON_BED = 0.0002
"""Maximum ink on a bright bed, as a share of the picture: specks."""
_ON_PAPER = 0.4
"""Minimum share of paper in the outermost rows and columns of the box."""


class Paper(NamedTuple):
    """The paper on a copy.

    Attributes:
        mask: 1 where there is paper, of the shape of the copy.
        skew: degrees by which its sides are turned clockwise, from -45 to 45.
        confidence: from 0 to 1.
    """

    mask: Mask
    skew: float
    confidence: float


class Box(NamedTuple):
    """An upright box, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


def find_paper(grey: Grey, ink: Mask) -> Paper | None:
    """Return the paper on a bed that is clearly darker or brighter; None where there is no bed, or in doubt.

    Args:
        grey: a copy of the page, of shape (height, width).
        ink: 1 where there is ink, of the same shape.
    """
    # Closing covers dark print with the paper around it.
    blank: Any = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, np.ones((_TEXT, _TEXT), np.uint8))
    return _on_dark_bed(grey, blank) or _on_bright_bed(blank, ink)


def box_of(paper: Mask) -> Box:
    """Return the box of the paper on a mask that is turned so that the paper is upright."""
    columns, rows = paper.sum(axis=0, dtype=np.int64), paper.sum(axis=1, dtype=np.int64)
    (left, right), (top, bottom) = _extent(columns), _extent(rows)
    return Box(left, top, right, bottom)


def _extent(counts: NDArray[np.int64]) -> tuple[int, int]:
    usual = float(np.percentile(counts[counts > 0], 75))
    inside = np.flatnonzero(counts >= _ON_PAPER * usual)
    return int(inside[0]) + _SOFT_EDGE, int(inside[-1]) + 1 - _SOFT_EDGE


def _on_dark_bed(grey: Grey, blank: Grey) -> Paper | None:
    threshold, _ = cv2.threshold(blank, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    paper = _largest((blank > threshold).astype(np.uint8))
    if paper is None:
        return None
    bed = paper == 0
    if not _is_even(grey[bed]):
        return None
    contrast = float(np.median(grey[bed])) / max(1.0, float(np.median(blank[~bed])))
    if contrast > _DARKEST_PAPER:
        return None
    return Paper(paper, _skew(paper), min(1.0, (1 - contrast) / 0.7))


def _on_bright_bed(blank: Grey, ink: Mask) -> Paper | None:
    """Return the paper on a bed without print: a plate on white paper has a caption, and is not even."""
    depth = max(2, round(0.01 * min(blank.shape)))
    ring = np.concatenate(
        [blank[:depth].ravel(), blank[-depth:].ravel(), blank[:, :depth].ravel(), blank[:, -depth:].ravel()]
    )
    level = float(np.median(ring))
    if level < _BRIGHTEST_BED or not _is_even(ring):
        return None
    paper = _largest((blank < level - _DARKER_THAN_BED / 2).astype(np.uint8))
    if paper is None or not _is_even(blank[paper == 1]):
        return None
    if level - float(np.median(blank[paper == 1])) < _DARKER_THAN_BED:
        return None
    around: Any = cv2.dilate(paper, np.ones((_TEXT, _TEXT), np.uint8))
    if float(ink[around == 0].sum()) > _INK_ON_BED * blank.size:
        return None
    return Paper(paper, _skew(paper), min(1.0, (level - float(np.median(blank[paper == 1]))) / 40))


def _largest(mask: Mask) -> Mask | None:
    """Return the largest connected part with its holes filled, if it has the size and the shape of a sheet."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)
    _, (width, height), _ = cv2.minAreaRect(largest)
    filled: Any = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, [largest], -1, 1, cv2.FILLED)
    area = float(cv2.countNonZero(filled))
    is_sheet = area >= _SMALLEST_PAPER * mask.size and area >= _FILLED * width * height
    return filled if is_sheet and area <= (1 - _SMALLEST_BED) * mask.size else None


def _skew(paper: Mask) -> float:
    contours, _ = cv2.findContours(paper, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    angle = float(cv2.minAreaRect(max(contours, key=cv2.contourArea))[2])
    return (angle + 45) % 90 - 45


def _is_even(bed: NDArray[Any]) -> bool:
    middle = float(np.median(bed))
    return float(np.mean(np.abs(bed.astype(np.float32) - middle) <= _EVEN)) >= _EVEN_SHARE
