"""Pictures: the sample book's engraving, and a view in grey tones as a halftone prints it."""

import numpy as np
from PIL import Image, ImageFilter

from sample.picture import draw_well
from sample.truth_pages.geometry import Polygon
from sample.truth_pages.sheet import PrintedSheet, upright

_COARSE = 9
"""The tones of a view are clouds of a grid with so many points a side."""
_DARKEST, _LIGHTEST = 235, 40


def print_engraving(sheet: PrintedSheet, left: float, top: float, size: float) -> Polygon:
    """Print the engraving, `size` pixels high and wide, and return the rectangle around it."""
    half = size / 2
    draw_well(sheet.draw, (left + half, top + half), half)
    return upright((left - 2, top - 2, left + size + 2, top + size + 2))


def print_view(sheet: PrintedSheet, random: np.random.Generator, box: tuple[int, int, int, int]) -> Polygon:
    """Print a view in grey tones into a box, left, top, width and height, and return the rectangle around it."""
    left, top, width, height = box
    clouds = random.uniform(_LIGHTEST, _DARKEST, (_COARSE, _COARSE)).astype(np.float32)
    # Sky above, ground below.
    clouds *= np.linspace(0.5, 1.0, _COARSE, dtype=np.float32)[:, np.newaxis]
    view = Image.fromarray(clouds).resize((width, height), Image.Resampling.BICUBIC)
    grain = random.normal(0, 12, (height, width)).astype(np.float32)
    tones = np.clip(np.asarray(view) + grain, _LIGHTEST // 2, 255).astype(np.uint8)
    sheet.ink.paste(Image.fromarray(tones).filter(ImageFilter.GaussianBlur(0.6)), (left, top))
    sheet.draw.rectangle((left, top, left + width - 1, top + height - 1), outline=255, width=2)
    return upright((left, top, left + width, top + height))
