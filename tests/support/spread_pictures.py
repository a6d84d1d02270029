"""Small pictures of sheets with one or two pages of print, drawn so that they cost little time."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from tests.support.scanned_pages import PAPER

WIDTH, HEIGHT = 1200, 840
FOLD = 580
"""x of the fold, a little left of the middle."""
INK = (40, 34, 30)
_LINE, _LETTER = 20, 7


def blank_sheet(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Return a sheet of paper without print."""
    return Image.new("RGB", (width, height), PAPER)


def print_text(sheet: Image.Image, left: int, right: int, top: int = 80, bottom: int = HEIGHT - 80) -> None:
    """Print a block of lines with words of small letters of several shapes."""
    random = np.random.default_rng(left)
    draw = ImageDraw.Draw(sheet)
    for y in range(top, bottom - _LINE, _LINE):
        x = left
        while x < right - _LETTER:
            if random.random() < 0.16:
                x += _LETTER
                continue
            high = 5 if random.random() < 0.25 else 0
            draw.rectangle((x, y + 5 - high, x + _LETTER - 3, y + 12), outline=INK, width=2)
            x += _LETTER


def shade_fold(sheet: Image.Image, at: int = FOLD, depth: float = 0.3) -> Image.Image:
    """Return a sheet with the shadow of a fold at x."""
    pixels = np.asarray(sheet).astype(np.float32)
    distance = np.abs(np.arange(sheet.width) + 0.5 - at)
    pixels *= (1 - depth * np.exp(-distance / (0.02 * sheet.width)))[np.newaxis, :, np.newaxis]
    return Image.fromarray(pixels.astype(np.uint8))


def spread(*, depth: float = 0.3, sides: Sequence[str] = ("left", "right")) -> Image.Image:
    """Return a spread with print on some of its pages, and a fold of a depth as a share of the light."""
    sheet = blank_sheet()
    if "left" in sides:
        print_text(sheet, 90, FOLD - 70)
    if "right" in sides:
        print_text(sheet, FOLD + 70, WIDTH - 90)
    return shade_fold(sheet, depth=depth)
