"""What paper and scanner do to a printed page: skew, soft edges, tone, uneven light, grain.

Everything random comes from one generator seeded by the page's number: a page always looks the same.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

MAX_SKEW_DEGREES = 0.75
SOFTNESS_PIXELS = 0.55
"""Radius of the blur that ink spread and the scanner's lens leave."""
PAPER_RGB = (245, 236, 217)
INK_RGB = (44, 38, 34)
GRAIN = 0.012
"""Standard deviation of the brightness of single pixels, as a part of full brightness."""
MOTTLE = 0.006
"""The same for patches of `MOTTLE_PIXELS`: paper is cloudy."""
MOTTLE_PIXELS = 36
LIGHT_FALLOFF = 0.07
"""How much darker the far corner is than the near one."""
GUTTER_SHADE = 0.16
"""How much darker the inner edge is, where the page bends into the binding."""
GUTTER_WIDTH = 0.05
"""Depth of that shade, as a part of the page's width."""

Brightness = NDArray[np.floating[Any]]


def scan(ink: Image.Image, number: int) -> Image.Image:
    """Put ink on paper and scan it.

    Args:
        ink: density of the ink, mode L, 0 for none to 255 for black.
        number: of the page; the seed, and on which side it is bound: odd pages at their left.

    Returns:
        The scan, mode RGB, the same size.
    """
    rng = np.random.default_rng(number)
    skew = rng.uniform(-MAX_SKEW_DEGREES, MAX_SKEW_DEGREES)
    printed = ink.rotate(skew, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(SOFTNESS_PIXELS))
    density = np.asarray(printed, dtype=np.float32)[..., np.newaxis] / 255
    surface = density * np.array(INK_RGB, np.float32) + (1 - density) * np.array(PAPER_RGB, np.float32)
    brightness = _light(ink.size, number, rng) + mottle(ink.size, rng)
    brightness += rng.normal(0, GRAIN, brightness.shape)
    scanned = np.clip(surface * brightness[..., np.newaxis], 0, 255)
    return Image.fromarray(scanned.astype(np.uint8))


def _light(size: tuple[int, int], number: int, rng: np.random.Generator) -> Brightness:
    """Light that falls off towards one corner and darkens into the binding; 1 is full brightness."""
    width, height = size
    across = np.linspace(0, 1, width)
    down = np.linspace(0, 1, height)[:, np.newaxis]
    from_binding = across if number % 2 else 1 - across
    corner = rng.uniform(0.3, 0.7)
    falloff = LIGHT_FALLOFF * (corner * (1 - from_binding) + (1 - corner) * down)
    gutter = GUTTER_SHADE * np.exp(-from_binding / GUTTER_WIDTH)
    return 1 - falloff - gutter


def mottle(size: tuple[int, int], rng: np.random.Generator) -> Brightness:
    """Return the cloudiness of paper of that width and height, around 0."""
    width, height = size
    coarse = rng.normal(0, MOTTLE, (height // MOTTLE_PIXELS + 2, width // MOTTLE_PIXELS + 2))
    clouds = Image.fromarray(coarse.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(clouds)
