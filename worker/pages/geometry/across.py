"""Whether something reaches across the fold of a sheet: a picture, a table, a line of print."""

import math
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.pages.geometry.fold import Fold, Sheet, Strips
from worker.pages.geometry.ink import Mask

_REACH = 0.03
"""How far from the fold ink is looked for, as a share of the width of the sheet."""
_NARROWEST_FOLD = 4
"""Pixels of the copy at each side of the fold that may look like ink because of its shadow."""
_MOSTLY_INK = 0.3
"""Share of ink along the fold, above which the place belongs to its shadow."""
_WIDEST_FOLD = 0.012
_CLOSE = 0.008
"""Distance of ink from the fold at both sides, above which nothing reaches across, as a share of the width."""
_ROWS = 6
"""Pixels of the copy that are taken together: rules are as high as that, and lines of small print higher."""
_CLEARLY_DARKER = 35
"""Ink is darker by this than the mean of the square around it, of 255; the rim of a stain is not."""
_NEIGHBOURHOOD = 31
_MOST_CROSSINGS, _MOST_FAINT_CROSSINGS = 1, 4
"""Specks, the rims of stains, or creases may cross the fold."""
_BESIDE, _BESIDE_REACH = 0.02, 0.007
"""Where grey tones are looked for beside the fold: closer than the print of most pages is."""
_SHOULDER = 0.03
_VISIBLE = 0.02
"""Minimum depth of the fold where there is paper: ink beyond its ends is the edge of the paper on a bright bed."""
_PARTS = 96
_EDGE = 0.02
"""Of the height of the sheet: how far the edges of the paper look like ink."""
_PRINTED, _BLACK = 0.88, 0.6
"""Brightness of a place as a share of the paper's: a picture, if it has a texture; a picture in any case."""
_TEXTURE = 1.7
"""Minimum roughness of a picture in roughnesses of the paper."""
_MOST_DARK_STRIPS = 2


def reaches_across(sheet: Sheet, fold: Fold, strips: Strips) -> bool:
    """Return whether ink or a picture reaches across the fold.

    Args:
        sheet: the paper, straightened.
        fold: on the sheet.
        strips: of the sheet, without print.
    """
    mean: Any = cv2.blur(sheet.grey, (_NEIGHBOURHOOD, _NEIGHBOURHOOD))
    clear = sheet.ink & (cv2.subtract(mean, sheet.grey) > _CLEARLY_DARKER)
    return (
        _crossings(sheet, clear, fold) > _MOST_CROSSINGS
        or _crossings(sheet, sheet.ink, fold) > _MOST_FAINT_CROSSINGS
        or _dark_strips(sheet, fold, strips) > _MOST_DARK_STRIPS
    )


def _crossings(sheet: Sheet, ink: Mask, fold: Fold) -> int:
    """Return how many groups of rows have ink close to the fold at both sides."""
    height, width = ink.shape
    reach, close = round(_REACH * width), max(4, round(_CLOSE * width))
    near = _along(ink, fold, reach)
    shadow = _shadow(near, reach, round(_WIDEST_FOLD * width))
    rows = height // _ROWS
    grouped = near[: rows * _ROWS].reshape(rows, _ROWS, -1).max(axis=1)
    left = grouped[:, reach - shadow - close : reach - shadow].max(axis=1)
    right = grouped[:, reach + shadow + 1 : reach + shadow + 1 + close].max(axis=1)
    first, last = _ends(sheet, fold)
    return int((left & right)[math.ceil(first / _ROWS) : math.floor(last / _ROWS)].sum())


def _ends(sheet: Sheet, fold: Fold) -> tuple[float, float]:
    """Return between which rows the fold is visible, without the edges of the paper."""
    height, width = sheet.grey.shape
    reach = round(_SHOULDER * width)
    near = _along(sheet.grey, fold, reach)
    parts = np.stack([np.median(part, axis=0) for part in np.array_split(near, _PARTS)])
    sides = np.minimum(parts[:, : reach // 3].mean(axis=1), parts[:, -(reach // 3) :].mean(axis=1))
    middle = parts[:, reach - 2 : reach + 3].min(axis=1)
    visible = np.flatnonzero(middle < (1 - _VISIBLE) * sides)
    if not len(visible):
        return 0.0, float(height)
    first, last = visible[0] / _PARTS, (visible[-1] + 1) / _PARTS
    return float(first + _EDGE) * height, float(last - _EDGE) * height


def _along(picture: NDArray[Any], fold: Fold, reach: int) -> NDArray[Any]:
    """Return what is near the fold, of shape (height, 2 * reach + 1); the fold is upright in the middle of it."""
    height, width = picture.shape
    rows = np.arange(height)
    middles = np.floor(fold.at + fold.slope * rows).astype(int)
    columns = np.clip(middles[:, np.newaxis] + np.arange(-reach, reach + 1), 0, width - 1)
    return np.asarray(picture[rows[:, np.newaxis], columns])


def _shadow(near: NDArray[Any], reach: int, widest: int) -> int:
    """Return how far the shadow of the fold that looks like ink reaches, in pixels."""
    inked = near.mean(axis=0) > _MOSTLY_INK
    shadow = _NARROWEST_FOLD
    while shadow < max(widest, _NARROWEST_FOLD) and (inked[reach - shadow] or inked[reach + shadow]):
        shadow += 1
    return shadow


def _dark_strips(sheet: Sheet, fold: Fold, strips: Strips) -> int:
    """Return how many strips are printed at both sides of the fold: grey tones have no edges that count as ink."""
    width = sheet.grey.shape[1]
    shoulder, reach = round(_BESIDE * width), max(3, round(_BESIDE_REACH * width))
    paper = float(np.percentile(strips.brightness, 80))
    rough = cv2.absdiff(sheet.grey, cv2.GaussianBlur(sheet.grey, (0, 0), 1.5)).astype(np.float32)
    usual = max(0.5, float(np.percentile(rough.mean(axis=1), 5)))
    dark = 0
    for strip, (top, bottom) in zip(strips.brightness, pairwise(strips.edges.tolist()), strict=True):
        middle = round(fold.at + fold.slope * (top + bottom) / 2)
        sides = [slice(max(0, x - reach), x + reach + 1) for x in (middle - shoulder, middle + shoulder)]
        levels = [float(np.median(strip[side])) / paper for side in sides]
        textures = [float(rough[top:bottom, side].mean()) / usual for side in sides]
        dark += all(
            level < _BLACK or (level < _PRINTED and texture > _TEXTURE)
            for level, texture in zip(levels, textures, strict=True)
        )
    return dark
