"""The book's one picture: a view down the well, hatched like a wood engraving, with a key and a bottle."""

from math import cos, pi, sin

from PIL.ImageDraw import ImageDraw

Point = tuple[float, float]

INK = 255
NO_INK = 0
COURSES = 20
STROKES_PER_COURSE = 144
NARROWING = 0.86
"""Each course of the well's wall looks this much smaller than the one above it."""
KEY_LINE = 9
KEY_HALO = 25
"""Width of the key's lines, and of the white that sets them off from the wall, in pixels."""


def draw_well(ink: ImageDraw, centre: Point, size: float) -> None:
    """Draw the picture in its frame.

    Args:
        ink: where to draw, on an image of ink density: 0 for none to 255 for black.
        centre: of the picture, in pixels.
        size: half the picture's width and height, in pixels.
    """
    x, y = centre
    for course in range(COURSES):
        radius = 0.94 * size * NARROWING**course
        # The bottom lies a little below the middle, as it does for somebody who looks down from the rim.
        middle = (x, y + 0.2 * (size - radius))
        _draw_course(ink, middle, radius, turned_by=course * 0.37)
    ink.circle((x, y + 0.2 * size), 1.4 * size * NARROWING**COURSES, fill=INK)
    bow = (x - 0.36 * size, y - 0.26 * size)
    _draw_key(ink, bow, 0.11 * size, NO_INK, KEY_HALO)
    _draw_key(ink, bow, 0.11 * size, INK, KEY_LINE)
    _draw_bottle(ink, (x + 0.34 * size, y - 0.1 * size), 0.1 * size)
    for inset, width in ((0.0, 5), (0.02, 2)):
        edge = size * (1 - inset)
        ink.rectangle((x - edge, y - edge, x + edge, y + edge), outline=INK, width=width)


def _draw_course(ink: ImageDraw, middle: Point, radius: float, turned_by: float) -> None:
    """One course of the wall: its rim, and strokes of uneven length that run down from it."""
    x, y = middle
    ink.circle(middle, radius, outline=INK, width=3)
    for stroke in range(STROKES_PER_COURSE):
        angle = turned_by + 2 * pi * stroke / STROKES_PER_COURSE
        # Light falls from the upper left: strokes are short there and reach the next course opposite.
        shade = 0.62 + 0.3 * cos(angle - pi / 4) + 0.12 * sin(5 * stroke)
        inner = radius * (1 - (1 - NARROWING) * shade)
        across, down = cos(angle), sin(angle)
        ink.line((x + radius * across, y + radius * down, x + inner * across, y + inner * down), INK, 2)


def _draw_key(ink: ImageDraw, bow: Point, radius: float, tone: int, width: int) -> None:
    """A key hanging downwards, in lines of `width` pixels; `bow` is the middle of its ring."""
    x, y = bow
    ring = radius + width / 2
    ink.circle(bow, ring, outline=tone, width=width)
    tip = y + 4.5 * radius
    ink.line((x, y + radius, x, tip + width / 2), tone, width)
    for rise, length in ((0.0, 0.9), (0.45, 0.6), (0.9, 0.9)):
        tooth = tip - rise * radius
        ink.line((x, tooth, x + length * radius + width / 2, tooth), tone, width)


def _draw_bottle(ink: ImageDraw, shoulder: Point, radius: float) -> None:
    """A stoppered bottle with a blank label; `shoulder` is where the neck meets the body."""
    x, y = shoulder
    neck, base = 0.35 * radius, y + 3.4 * radius
    outline = (
        (x - neck, y - 1.4 * radius),
        (x + neck, y - 1.4 * radius),
        (x + neck, y),
        (x + radius, y + 0.8 * radius),
        (x + radius, base),
        (x - radius, base),
        (x - radius, y + 0.8 * radius),
        (x - neck, y),
    )
    ink.polygon(outline, fill=NO_INK, outline=INK, width=6)
    ink.rectangle((x - 0.5 * radius, y - 1.9 * radius, x + 0.5 * radius, y - 1.4 * radius), fill=INK)
    for level in range(12):
        surface = y + (1.1 + 0.19 * level) * radius
        ink.line((x - radius, surface, x + radius, surface), INK, 2)
    label = (x - 0.7 * radius, y + 1.4 * radius, x + 0.7 * radius, y + 2.6 * radius)
    ink.rectangle(label, fill=NO_INK, outline=INK, width=4)
