"""The gutter of a spread, as it is recorded, and the geometry of the two pages at its sides."""

import math
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from checkpointing.fields import ClosedModel
from worker.pages.geometry.settings import AUTO, OFF, GeometrySettings
from worker.pages.geometry.transform import Confidence, FloatPoint, Geometry, Size

_MAX_DEGREES = 45.0
Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
"""In the order of the pages."""
AS_FOUND = GeometrySettings()
"""Turned and straightened by the gutter."""
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_SharePoint = tuple[_Share, _Share]


class Gutter(ClosedModel):
    """Where the two pages of a spread meet, on the source image.

    Attributes:
        top: x and y of its upper end, as the spread is read, as shares of the width and height of the source image.
        bottom: the same of its lower end.
    """

    top: _SharePoint
    bottom: _SharePoint

    @property
    def key(self) -> str:
        """The place of the gutter as text, for hashes."""
        return ",".join(f"{share:g}" for point in (self.top, self.bottom) for share in point)

    def turn(self, size: tuple[int, int]) -> tuple[int, float]:
        """Return the clockwise quarter turns that bring the spread upright, and its skew in degrees.

        Args:
            size: width and height of the source image, in pixels.
        """
        (x, y), (lower_x, lower_y) = _pixels(self.top, size), _pixels(self.bottom, size)
        clockwise = math.degrees(math.atan2(x - lower_x, lower_y - y))
        quarters = round(clockwise / 90)
        return -quarters % 4, round(clockwise - 90 * quarters, 3)

    def half(self, side: Side, size: tuple[int, int], settings: GeometrySettings) -> Geometry:
        """Return one page of the spread: the source image on one side of the gutter, upright and straight.

        A turn or a skew that is set takes the place of that of the gutter.

        Args:
            side: of the gutter, as the spread is read.
            size: width and height of the source image, in pixels.
            settings: what to do with the page.
        """
        turns, skew = self.turn(size)
        is_left = side == "left"
        if settings.deskew != AUTO:
            skew = 0.0 if settings.deskew == OFF else float(settings.deskew)
        # Of the source before it is turned, the half is at one of four sides.
        place = (
            {0: "left", 1: "bottom", 2: "right", 3: "top"}
            if is_left
            else {0: "right", 1: "top", 2: "left", 3: "bottom"}
        )
        box = _box_beside(self, size, skew, place[turns])
        if settings.rotate != AUTO:
            turns = 0 if settings.rotate == OFF else int(settings.rotate) // 90
        width, height = size
        return Geometry(
            source=Size(width=width, height=height),
            box=box,
            quarter_turns=turns,
            skew=skew,
            confidence=Confidence(),
        )


class Half(NamedTuple):
    """One page of a spread.

    Attributes:
        gutter: of the spread, on its source image.
        side: of the gutter, as the spread is read.
    """

    gutter: Gutter
    side: Side

    def geometry(self, size: tuple[int, int], settings: GeometrySettings = AS_FOUND) -> Geometry:
        """Return what part of a source image of a size in pixels the page is; see `Gutter.half`."""
        return self.gutter.half(self.side, size, settings)


def settings_within_half(settings: GeometrySettings) -> GeometrySettings:
    """Return what is left to do with the picture of a half, which is turned and straightened as it is set."""
    rotate = AUTO if settings.rotate == AUTO else OFF
    return GeometrySettings(rotate, AUTO if settings.deskew == AUTO else OFF, settings.crop)


def page_in_half(half: Geometry, within: Geometry) -> Geometry:
    """Return the geometry of a page on the source image from that of its half and that of the page on the half."""
    x, y, width, height = within.box
    middle_x, middle_y = half.point_on_source((x + width / 2, y + height / 2))
    if half.quarter_turns % 2:
        width, height = height, width
    turns = half.quarter_turns + within.quarter_turns
    skew = round(half.skew + within.skew, 3)
    return Geometry(
        source=half.source,
        box=(round(middle_x - width / 2), round(middle_y - height / 2), width, height),
        quarter_turns=turns % 4,
        skew=max(-_MAX_DEGREES, min(_MAX_DEGREES, skew)),
        confidence=within.confidence,
    )


def _box_beside(gutter: Gutter, size: tuple[int, int], skew: float, place: str) -> tuple[int, int, int, int]:
    """Return the box of what is left, right, above or below a gutter, once it is turned back by the skew."""
    cos, sin = math.cos(math.radians(skew)), math.sin(math.radians(skew))
    width, height = size
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    along = [cos * x + sin * y for x, y in corners]
    down = [cos * y - sin * x for x, y in corners]
    left, right, upper, lower = min(along), max(along), min(down), max(down)
    (x, y), (lower_x, lower_y) = _pixels(gutter.top, size), _pixels(gutter.bottom, size)
    middle_x, middle_y = (x + lower_x) / 2, (y + lower_y) / 2
    at_x, at_y = cos * middle_x + sin * middle_y, cos * middle_y - sin * middle_x
    left, right = (left, at_x) if place == "left" else (at_x, right) if place == "right" else (left, right)
    upper, lower = (upper, at_y) if place == "top" else (at_y, lower) if place == "bottom" else (upper, lower)
    wide, high = max(1, round(right - left)), max(1, round(lower - upper))
    centre_x, centre_y = (left + right) / 2, (upper + lower) / 2
    source_x, source_y = cos * centre_x - sin * centre_y, sin * centre_x + cos * centre_y
    return round(source_x - wide / 2), round(source_y - high / 2), wide, high


def _pixels(point: FloatPoint, size: tuple[int, int]) -> FloatPoint:
    return point[0] * size[0], point[1] * size[1]
