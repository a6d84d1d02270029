"""Where the fold of a sheet may be: darkness, or white between two blocks of text, from its top to its bottom."""

from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.pages.geometry.ink import Grey, Mask

_MIDDLE = (0.36, 0.64)
"""Where the gutter may be, as shares of the width of the paper."""
_STRIPS = 24
"""Strips from the top to the bottom of the sheet in which the fold is looked for."""
_TEXT = 15
"""Side of the square, in pixels of the copy, within which dark print on bright paper is covered."""
_SHOULDERS = (0.03, 0.06)
"""Distances from the fold at which the paper is compared with it, as shares of the width: print may be close to a
fold, and the shadow of a thick book is broad."""
_NARROW_SHOULDER = 0.01
_FOLD_REACH = 0.025
_INKED = 0.4
"""Minimum share of the height between the first ink and the last one where only that is looked at."""
_FOLD_DEPTH = 0.04
"""Minimum depth of a broad fold in most strips, as a share of the brightness of the paper."""
_LINE_DEPTH = 0.05
"""Minimum depth of a fold that is a thin line, in nearly all strips: a rule between columns does not reach the
edges of the sheet."""
_MOST, _NEARLY_ALL = 30, 8
"""The percentiles of the strips which have to be that deep."""
_LARGEST_SLOPE = 0.06
"""Of the fold against the lines of print, in pixels a pixel."""
_SPECKS = 0.004
"""Maximum ink in a column of pixels that counts as white, as a share of its height."""
_COLUMN_GAP = 0.008
"""Minimum width of white between two columns of text, as a share of the width of the sheet."""
_WIDEST_COLUMN_GAP = 0.03
"""Its maximum: the columns of a table are farther from each other."""
_WHITE_GUTTER = 0.06
"""Minimum width of the white between two pages without a fold."""
_WHITE_MIDDLE = (0.45, 0.55)
"""Where its middle may be."""
_BROADER = 2.5
"""Minimum width of that white in widths of the broadest white within one of the pages."""
_PAGE_WIDTH, _PAGE_HEIGHT = 0.25, 0.5
"""Minimum size of the print on one page without a fold, as shares of the sheet."""
_PAGE_ROWS = 0.4
"""Minimum share of its rows that have ink: a page of text, and not a picture or single lines."""


class Sheet(NamedTuple):
    """The paper of a picture, straightened, and turned so that its lines run along the rows.

    Attributes:
        grey: of the paper alone, of shape (height, width).
        ink: 1 where there is ink, of the same shape.
        to_copy: matrix of shape (2, 3), from points of the sheet to points of the copy.
    """

    grey: Grey
    ink: Mask
    to_copy: NDArray[np.float64]


class Strips(NamedTuple):
    """Strips across a sheet.

    Attributes:
        edges: the rows between which they are, one more than there are strips.
        brightness: median of each column of pixels of each strip, of shape (strips, width).
    """

    edges: NDArray[np.int_]
    brightness: NDArray[np.floating[Any]]


class Fold(NamedTuple):
    """Where the fold is on a sheet: at x = at + slope * y, in pixels."""

    at: float
    slope: float


Profile = NDArray[np.floating[Any]]


def blank_strips(sheet: Sheet) -> Strips:
    """Return the brightness of the paper without its print, in strips across the sheet."""
    # Closing covers dark print with the paper around it.
    blank: Any = cv2.morphologyEx(sheet.grey, cv2.MORPH_CLOSE, np.ones((_TEXT, _TEXT), np.uint8))
    edges = _edges(sheet)
    width = max(3, round(0.006 * sheet.grey.shape[1]) | 1)
    smooth: Any = cv2.GaussianBlur(_medians(blank, edges), (width, 1), 0, borderType=cv2.BORDER_REPLICATE)
    return Strips(edges, smooth)


def _edges(sheet: Sheet) -> NDArray[np.int_]:
    """Return the edges of the strips: beyond the ink there may be the bed, if it was not told from the paper."""
    height = sheet.grey.shape[0]
    first, last = 0.0, float(height)
    inked = np.flatnonzero(sheet.ink.any(axis=1))
    if len(inked) and inked[-1] - inked[0] >= _INKED * height:
        rows = np.repeat(np.arange(height), np.asarray(sheet.ink.sum(axis=1), np.int64))
        first, last = np.percentile(rows, [0.2, 99.8])
    margin = 0.02 * (last - first)
    return np.linspace(first + margin, last - margin, _STRIPS + 1).astype(np.int_)


def _medians(grey: Grey, edges: NDArray[np.int_]) -> NDArray[np.float32]:
    medians = [np.median(grey[top:bottom], axis=0) for top, bottom in pairwise(edges.tolist())]
    return np.stack(medians).astype(np.float32)


def find_fold(sheet: Sheet, strips: Strips) -> Fold | None:
    """Return the fold, which is darker than the paper at both sides from top to bottom; None if there is none.

    Args:
        sheet: the paper, straightened.
        strips: of the sheet, without print.
    """
    height, width = sheet.grey.shape
    broad = np.maximum(*(_depths(strips.brightness, max(6, round(share * width))) for share in _SHOULDERS))
    x = _deepest(broad, _MOST, _FOLD_DEPTH)
    if x is not None:
        return _fitted(strips, x, round(_FOLD_REACH * width))
    # A rule between columns ends with the print.
    edges = np.linspace(0.02 * height, 0.98 * height, _STRIPS + 1).astype(np.int_)
    thin = Strips(edges, _medians(sheet.grey, edges))
    x = _deepest(_depths(thin.brightness, max(4, round(_NARROW_SHOULDER * width))), _NEARLY_ALL, _LINE_DEPTH)
    return None if x is None else _fitted(thin, x, round(_NARROW_SHOULDER * width))


def _depths(strips: Profile, shoulder: int) -> Profile:
    """Return how much darker each place is than the darker one of its two shoulders, as a share of that."""
    around = np.minimum(np.roll(strips, shoulder, axis=1), np.roll(strips, -shoulder, axis=1))
    return 1 - strips / np.maximum(around, 1.0)


def _deepest(depths: Profile, percentile: float, least: float) -> int | None:
    """Return the place in the middle where the strips are deepest; None if they are not deep enough."""
    first, last = (round(share * depths.shape[1]) for share in _MIDDLE)
    in_most = np.percentile(depths[:, first:last], percentile, axis=0)
    best = int(np.argmax(in_most))
    return first + best if in_most[best] >= least else None


def _fitted(strips: Strips, x: int, reach: int) -> Fold:
    """Return the line through the darkest places of the strips near x; a few strips with stains do not matter."""
    near = strips.brightness[:, x - reach : x + reach + 1]
    dark = np.maximum(0.0, np.minimum(near[:, :1], near[:, -1:]) - near) ** 3
    offsets = np.arange(near.shape[1]) - reach
    weights = dark.sum(axis=1)
    seen = weights > 0
    if seen.sum() < _STRIPS // 2:
        return Fold(x + 0.5, 0.0)
    places = x + 0.5 + (dark[seen] @ offsets) / weights[seen]
    middles = ((strips.edges[:-1] + strips.edges[1:]) / 2)[seen]
    one, other = np.triu_indices(len(places), 1)
    slope = float(np.median((places[other] - places[one]) / (middles[other] - middles[one])))
    if abs(slope) > _LARGEST_SLOPE:
        slope = 0.0
    return Fold(float(np.median(places - slope * middles)), slope)


def find_white_gutter(sheet: Sheet) -> Fold | None:
    """Return the middle of the broad white band between two pages of text that show no fold; None in any doubt.

    Columns of one page are closer to each other than two pages are, and each of these is higher than wide.
    """
    height, width = sheet.grey.shape
    columns = np.asarray(sheet.ink.sum(axis=0), np.int64)
    inked = columns > _SPECKS * height
    runs = [run for run in _white_runs(inked) if run[1] - run[0] >= _COLUMN_GAP * width]
    inner = [run for run in runs if run[0] > 0 and run[1] < width]
    if not inner:
        return None
    start, end = max(inner, key=lambda run: run[1] - run[0])
    middle, band = (start + end) / 2, end - start
    others = [run[1] - run[0] for run in inner if run != (start, end)]
    if band < _WHITE_GUTTER * width or not _WHITE_MIDDLE[0] * width <= middle <= _WHITE_MIDDLE[1] * width:
        return None
    if others and max(others) > min(band / _BROADER, _WIDEST_COLUMN_GAP * width):
        return None
    blocks = [_block(sheet.ink[:, :start]), _block(sheet.ink[:, end:])]
    if not all(_is_page_of_text(block, height, width) for block in blocks):
        return None
    return Fold(middle, 0.0)


def find_likely_gutter(sheet: Sheet) -> Fold | None:
    """Return the middle of the broadest white from top to bottom near the middle; None if print is everywhere."""
    height, width = sheet.grey.shape
    runs = _white_runs(np.asarray(sheet.ink.sum(axis=0), np.int64) > _SPECKS * height)
    first, last = (share * width for share in _MIDDLE)
    near = [(max(start, first), min(end, last)) for start, end in runs if end > first and start < last]
    if not near:
        return None
    start, end = max(near, key=lambda run: run[1] - run[0])
    return Fold((start + end) / 2, 0.0) if end - start >= _COLUMN_GAP * width else None


def _white_runs(inked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where runs of columns without ink begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], inked, [True]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _block(ink: Mask) -> tuple[int, int, float]:
    """Return width and height of what is printed on one side, in pixels, and the share of its rows with ink."""
    across, down = np.flatnonzero(ink.any(axis=0)), np.flatnonzero(ink.sum(axis=1) > 1)
    if not len(across) or not len(down):
        return 0, 0, 0.0
    return int(across[-1] - across[0]) + 1, int(down[-1] - down[0]) + 1, len(down) / float(down[-1] - down[0] + 1)


def _is_page_of_text(block: tuple[int, int, float], height: int, width: int) -> bool:
    wide, high, inked = block
    return wide >= _PAGE_WIDTH * width and high >= _PAGE_HEIGHT * height and high >= wide and inked >= _PAGE_ROWS
