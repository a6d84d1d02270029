"""From a recipe to a picture with its truth."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from sample.truth_pages.flow import Frame
from sample.truth_pages.geometry import Curl, Ink, Polygon
from sample.truth_pages.leaf import Leaf
from sample.truth_pages.model import Geometry, Truth
from sample.truth_pages.page import COLUMN_GAP, print_page, print_plate
from sample.truth_pages.recipe import Bed, Recipe, Sheet
from sample.truth_pages.scanner import Placed, place_sheet, scan
from sample.truth_pages.setting import Texts
from sample.truth_pages.sheet import PrintedSheet

_COLUMN_EMS = (27.0, 19.0, 16.0, 13.5, 12.5, 12.0)
"""Mean width of a column on a page of one column, of two and so on, in ems."""
_MARGINS = 4.2
"""Each of the side margins, in ems; that of marginalia is wider."""
_MARGIN_OF_NOTES = 10.5
_TOP, _BOTTOM = 6.5, 7.0
_CURL_REACH = 0.12
"""Of the width of a leaf."""
_HIGHEST_NUMBER = 400
_HOW_IT_LIES: dict[str, Any] = {
    "quarter_turns": 0,
    "skew_degrees": 0.0,
    "bed": Bed.NONE,
    "stains": 0,
    "curl": 0.0,
}
"""What does not change what is printed: the same sheet is often wanted at several skews, one after the other."""


@dataclass(frozen=True, slots=True)
class TruePage:
    """A picture and all that is known about it.

    Attributes:
        recipe: what it was made from.
        image: mode RGB.
        ink: density of the ink in the picture, shape (height, width), from 0 for none to 255 for black.
        truth: what is printed, and where.
    """

    recipe: Recipe
    image: Image.Image
    ink: Ink
    truth: Truth


def make_page(recipe: Recipe) -> TruePage:
    """Make the page of a recipe; the same recipe always gives the same pixels and the same truth.

    Raises:
        SettingsError: the typeface is not installed.
    """
    sheet, gutter = _printed(replace(recipe, **_HOW_IT_LIES))
    width = sheet.size[0]
    binding = width if gutter is None and recipe.seed % 2 else gutter or 0.0
    leaf_width = width / 2 if recipe.is_spread else width
    depth = round(recipe.curl * 1.25 * recipe.em, 1)
    curl = Curl(depth, binding, _CURL_REACH * leaf_width)
    placed = place_sheet(recipe, sheet.size)
    ink, image = scan(recipe, curl.picture(np.asarray(sheet.ink)), placed, gutter)

    def move(polygon: Polygon) -> Polygon:
        return placed.to_picture.points(curl.points(polygon))

    truth = Truth(
        seed=recipe.seed,
        width=image.width,
        height=image.height,
        dpi=recipe.dpi,
        language=recipe.language,
        typeface=recipe.typeface,
        type_points=recipe.type_points,
        columns=0 if recipe.is_plate else len(recipe.columns),
        geometry=_geometry(recipe, placed, sheet.size, gutter, depth),
        regions=tuple(region.moved(move) for region in sheet.regions),
    )
    return TruePage(recipe, image, ink, truth)


def _geometry(
    recipe: Recipe, placed: Placed, size: tuple[int, int], gutter: float | None, depth: float
) -> Geometry:
    width, height = size
    corners = ((0.0, 0.0), (float(width), 0.0), (float(width), float(height)), (0.0, float(height)))
    to_picture = placed.to_picture
    return Geometry(
        quarter_turns=recipe.quarter_turns,
        skew_degrees=recipe.skew_degrees,
        to_picture=to_picture,
        paper=to_picture.points(corners),
        gutter=None if gutter is None else (to_picture.point(gutter, 0.0), to_picture.point(gutter, float(height))),
        curl_pixels=depth,
    )


@lru_cache(maxsize=1)
def _printed(recipe: Recipe) -> tuple[PrintedSheet, float | None]:
    """Return the printed sheet, and x of its gutter if it is a spread."""
    random = recipe.text_random
    em = recipe.em
    columns = len(recipe.columns)
    block_width = (columns * _COLUMN_EMS[columns - 1] + (columns - 1) * COLUMN_GAP) * em
    block_height = block_width * float(random.uniform(1.3, 1.6) if columns == 1 else random.uniform(1.1, 1.4))
    outer = (_MARGIN_OF_NOTES if recipe.marginalia else _MARGINS) * em
    inner = _MARGINS * em
    leaf_width, height = block_width + outer + inner, block_height + (_TOP + _BOTTOM) * em
    first = int(random.integers(1, _HIGHEST_NUMBER // 2)) * 2 + (0 if recipe.is_spread else recipe.seed % 2)
    texts = Texts(recipe, random)
    if recipe.sheet == Sheet.FOLD_OUT:
        leaf_width += block_width
    if not recipe.is_spread:
        sheet = PrintedSheet(round(leaf_width), round(height))
        _print_leaf(_leaf(sheet, recipe, (0.0, leaf_width), (texts, random), first), recipe)
        return sheet, None
    # The outer margins are cut unequally, which brings the gutter off the middle.
    off = abs(recipe.gutter) * 2 * leaf_width
    cut = min(off, (1.0 if recipe.marginalia else _MARGINS - 1.2) * em)
    left_width = leaf_width - (cut if recipe.gutter < 0 else 0.0)
    right_width = leaf_width - (cut if recipe.gutter > 0 else 0.0)
    sheet = PrintedSheet(round(left_width + right_width), round(height))
    leaves = [(left_width - leaf_width, left_width), (left_width, left_width + leaf_width)]
    if recipe.sheet == Sheet.SPREAD_PLATE:
        whole = (leaves[0][0], leaves[1][1])
        print_plate(_leaf(sheet, recipe, whole, (texts, random), first))
        return sheet, left_width
    for index, edges in enumerate(leaves):
        sheet.leaf = index
        _print_leaf(_leaf(sheet, recipe, edges, (texts, random), first + index), recipe)
    return sheet, left_width


def _print_leaf(leaf: Leaf, recipe: Recipe) -> None:
    if recipe.is_plate:
        print_plate(leaf)
    else:
        print_page(leaf)


def _leaf(
    sheet: PrintedSheet,
    recipe: Recipe,
    edges: tuple[float, float],
    source: tuple[Texts, np.random.Generator],
    number: int,
) -> Leaf:
    """Return the leaf between two edges, x in pixels of the sheet."""
    left, right = edges
    em = recipe.em
    outer = (_MARGIN_OF_NOTES if recipe.marginalia else _MARGINS) * em
    inner = _MARGINS * em
    is_right = number % 2 == 1
    block_left, block_right = (left + inner, right - outer) if is_right else (left + outer, right - inner)
    top, bottom = _TOP * em, sheet.size[1] - _BOTTOM * em
    block = Frame(block_left, top, block_right - block_left, bottom)
    margin_left = block_right + em if is_right else block_left - (_MARGIN_OF_NOTES - 2.2) * em - em
    margin = Frame(margin_left, top, (_MARGIN_OF_NOTES - 2.2) * em, bottom)
    texts, random = source
    return Leaf(sheet, recipe, block, margin, texts, random, number)
