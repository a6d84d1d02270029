"""Pages as they lie on a scanner: turned, crooked, on a bed."""

import math

from PIL import Image

PAPER = (228, 224, 214)
DARK_BED = (22, 20, 21)


def turned(page: Image.Image, degrees: float, around: tuple[int, int, int] = PAPER) -> Image.Image:
    """Return a picture turned clockwise, on a larger sheet that shows all of it."""
    return page.rotate(-degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=around)


def on_bed(
    page: Image.Image, degrees: float = 0, bed: tuple[int, int, int] = DARK_BED, margin: int = 90
) -> Image.Image:
    """Return a sheet that lies on a bed, turned clockwise."""
    sheet = turned(page, degrees, bed)
    picture = Image.new("RGB", (sheet.width + 2 * margin, sheet.height + 3 * margin), bed)
    picture.paste(sheet, (margin, 2 * margin))
    return picture


def corners_on_bed(page: Image.Image, degrees: float, margin: int = 90) -> list[tuple[float, float]]:
    """Return where `on_bed` puts the corners of a sheet, clockwise from its top left."""
    sheet = turned(page, degrees)
    angle = math.radians(degrees)
    middle = margin + sheet.width / 2, 2 * margin + sheet.height / 2
    half = page.width / 2, page.height / 2
    return [
        (
            middle[0] + x * half[0] * math.cos(angle) - y * half[1] * math.sin(angle),
            middle[1] + x * half[0] * math.sin(angle) + y * half[1] * math.cos(angle),
        )
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
