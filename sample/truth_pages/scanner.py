"""Laying a printed sheet on the scanner and scanning it: bed, shadow, skew, stains, light, grain, quarter turns."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sample.paper import GRAIN, INK_RGB, PAPER_RGB, SOFTNESS_PIXELS, mottle
from sample.truth_pages.geometry import Affine, Ink
from sample.truth_pages.recipe import Bed, Random, Recipe

_BEDS_RGB = {Bed.DARK: (38, 36, 35), Bed.LIGHT: (226, 228, 229), Bed.NONE: PAPER_RGB}
_WIDEST_BED = 0.12
"""At each side, as a share of the sheet's width."""
_SHADOW = 0.35
"""How much darker the bed is at the edge of the paper."""
_GUTTER_SHADE = 0.35
_FALLOFF = 0.1
_STAIN_RGB = (0.80, 0.70, 0.52)
"""What a stain leaves of the light."""

Layer = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the sheet lies.

    Attributes:
        on_bed: from pixels of the sheet to those of the picture before the quarter turns.
        size: width and height of the picture before the quarter turns.
        to_picture: from pixels of the sheet to those of the picture.
    """

    on_bed: Affine
    size: tuple[int, int]
    to_picture: Affine


def place_sheet(recipe: Recipe, size: tuple[int, int]) -> Placed:
    """Lay a sheet of that width and height on the bed; all of it is within the picture."""
    random = np.random.default_rng((recipe.seed, 3))
    width, height = size
    turned = Affine.rotation(recipe.skew_degrees)
    corners = turned.points(((0, 0), (width, 0), (width, height), (0, height)))
    left, top = min(x for x, _ in corners), min(y for _, y in corners)
    right, bottom = max(x for x, _ in corners), max(y for _, y in corners)
    widest = 0.0 if recipe.bed == Bed.NONE else _WIDEST_BED * width
    margins = [float(margin) for margin in random.uniform(0, widest, 4)]
    on_bed = turned.then(Affine.shift(margins[0] - left, margins[1] - top))
    picture = (round(right - left + margins[0] + margins[2]), round(bottom - top + margins[1] + margins[3]))
    return Placed(on_bed, picture, on_bed.then(Affine.quarter_turns(recipe.quarter_turns, picture)))


def scan(recipe: Recipe, ink: Ink, placed: Placed, gutter: float | None) -> tuple[Ink, Image.Image]:
    """Scan a sheet.

    Args:
        recipe: of the page.
        ink: of the sheet, curled as it is.
        placed: where it lies.
        gutter: x of the gutter of a spread, in pixels of the sheet.

    Returns:
        The ink in the picture, and the picture, mode RGB.
    """
    random = recipe.surface_random
    laid = placed.on_bed.picture(ink, placed.size)
    paper = _paper(recipe, ink, placed)
    density = cv2.GaussianBlur(laid.astype(np.float32) / 255, (0, 0), SOFTNESS_PIXELS)
    light = _light(placed, random) + mottle(placed.size, random)
    light += GRAIN * random.standard_normal(light.shape, dtype=np.float32)
    if gutter is not None:
        light -= paper * _gutter_shade(ink.shape, placed, gutter)
    bed_light = _bed_light(recipe, paper)
    stains = _stains(recipe, placed, random)
    picture = np.empty((*laid.shape, 3), np.uint8)
    # In place: large temporary arrays take longer than the arithmetic.
    mixed, other = np.empty(laid.shape, np.float32), np.empty(laid.shape, np.float32)
    for channel, (ink_tone, paper_tone) in enumerate(zip(INK_RGB, PAPER_RGB, strict=True)):
        np.multiply(density, ink_tone - paper_tone, out=mixed)
        mixed += paper_tone
        if stains is not None:
            np.multiply(stains, 1 - _STAIN_RGB[channel], out=other)
            np.subtract(1, other, out=other)
            mixed *= other
        bed = np.multiply(bed_light, _BEDS_RGB[recipe.bed][channel], out=other)
        mixed -= bed
        mixed *= paper
        mixed += bed
        mixed *= light
        picture[..., channel] = np.clip(mixed, 0, 255, out=mixed)
    turned = np.ascontiguousarray(np.rot90(picture, -recipe.quarter_turns))
    return np.ascontiguousarray(np.rot90(laid, -recipe.quarter_turns)), Image.fromarray(turned)


def _paper(recipe: Recipe, ink: Ink, placed: Placed) -> Layer:
    """Return how much of each pixel is paper, from 0 to 1."""
    if recipe.bed == Bed.NONE:
        return np.ones((placed.size[1], placed.size[0]), np.float32)
    whole = placed.on_bed.picture(np.full(ink.shape, 255, np.uint8), placed.size)
    return np.asarray(whole / np.float32(255), np.float32)


def _bed_light(recipe: Recipe, paper: Layer) -> Layer:
    """Return the light on the bed, which is darker in the shadow of the paper; 1 is full."""
    if recipe.bed == Bed.NONE:
        return np.ones_like(paper)
    reach = 0.012 * paper.shape[1]
    # Blurred at a quarter of the size: so large a blur of all pixels would take longer than everything else.
    small = cv2.resize(paper, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), reach / 4)
    shadow = cv2.resize(blurred, (paper.shape[1], paper.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(1 - _SHADOW * 2 * shadow, np.float32)


def _light(placed: Placed, random: Random) -> Layer:
    """Return light that falls off in one direction; 1 is full."""
    width, height = placed.size
    across, down = random.uniform(-_FALLOFF, _FALLOFF, 2)
    columns = across * np.linspace(0, 1, width, dtype=np.float32)
    rows = down * np.linspace(0, 1, height, dtype=np.float32)[:, np.newaxis]
    return np.asarray(1 - np.abs(across) / 2 - np.abs(down) / 2 + columns + rows, np.float32)


def _gutter_shade(shape: tuple[int, ...], placed: Placed, gutter: float) -> Layer:
    """Return how much darker the paper is near the gutter."""
    width, height = placed.size
    # The distance from the gutter is that in the sheet.
    back = placed.on_bed.inverse
    xs = back.a * (np.arange(width, dtype=np.float32) + 0.5) + back.c
    ys = back.b * (np.arange(height, dtype=np.float32) + 0.5)
    distance = np.abs(xs[np.newaxis] + ys[:, np.newaxis] - gutter)
    return np.asarray(_GUTTER_SHADE * np.exp(-distance / (0.02 * shape[1])), np.float32)


def _stains(recipe: Recipe, placed: Placed, random: Random) -> Layer | None:
    """Return how stained each pixel is, from 0 to 1; None without stains."""
    if not recipe.stains:
        return None
    width, height = placed.size
    small = np.zeros((height // 4 + 1, width // 4 + 1), np.float32)
    for _ in range(recipe.stains):
        centre = (int(random.uniform(0, small.shape[1])), int(random.uniform(0, small.shape[0])))
        axes = tuple(int(axis) + 1 for axis in random.uniform(0.02, 0.15, 2) * small.shape[1])
        depth = float(random.uniform(0.3, 1.0))
        turned = float(random.uniform(0, 180))
        cv2.ellipse(small, centre, axes, turned, 0, 360, depth, thickness=-1)
        # Where a stain dried it has a darker rim.
        cv2.ellipse(small, centre, axes, turned, 0, 360, min(1.0, depth + 0.2), thickness=2)
    soft = cv2.GaussianBlur(small, (0, 0), 2.0)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
