"""How a page image comes from a source image: an affine transform with its inverse, in its recorded form.

The page is what an upright box of the source image shows once it is turned around its middle by `skew` degrees and
then by quarters. Lengths are not scaled. Points are continuous: a pixel reaches from its number to the next one.
"""

import math
from functools import cached_property
from itertools import product
from typing import Annotated

from pydantic import Field, PositiveInt

from checkpointing.fields import ClosedModel

Degrees = Annotated[float, Field(ge=-45, le=45, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Its rows are those of x and y of the result; the columns are for x, y and 1."""
_ROUNDING = 1e-6
FloatPoint = tuple[float, float]


FloatBox = tuple[float, float, float, float]


class Size(ClosedModel):
    """A size in pixels."""

    width: PositiveInt
    height: PositiveInt


class Confidence(ClosedModel):
    """How sure each step is, from 0 to 1; 1 for a value that a person set."""

    crop: Share = Field(default=1.0, description="0 where no edge of the paper was found.")
    rotate: Share = Field(default=1.0, description="That the page is the right way up.")
    deskew: Share = Field(default=1.0, description="0 where no lines were found, or their direction is unclear.")


class Geometry(ClosedModel):
    """How the page image comes from the source image."""

    source: Size = Field(description="Size of the source image, in pixels.")
    box: tuple[int, int, PositiveInt, PositiveInt] = Field(
        description="x, y, width and height of the page on the source image, before it is turned, in pixels. A "
        "page that is straightened may reach beyond the source image."
    )
    quarter_turns: Annotated[int, Field(ge=0, le=3)] = Field(
        description="Clockwise quarter turns from the source image to the page image, after it is straightened."
    )
    skew: Degrees = Field(
        description="Degrees by which the source image is turned clockwise; the page is turned back around the "
        "middle of the box."
    )
    confidence: Confidence = Field(description="Of each step, also of one that leaves the page as it is.")
    turned_like: tuple[PositiveInt, ...] = Field(
        default=(),
        exclude_if=lambda pages: not pages,
        description="The neighbouring pages that the turn was taken from, because the page's own lines do not show "
        "it; else left out.",
    )

    @property
    def is_identity(self) -> bool:
        """Whether the page image is the source image."""
        return (
            self.is_exact and not self.quarter_turns and self.box == (0, 0, self.source.width, self.source.height)
        )

    @property
    def is_exact(self) -> bool:
        """Whether each pixel of the page image is one of the source image."""
        return self.skew == 0

    @property
    def is_cropped(self) -> bool:
        """Whether part of the source image is not on the page image."""
        _, _, width, height = self.box
        _, _, whole_width, whole_height = whole_box((self.source.width, self.source.height), self.skew)
        return width < whole_width or height < whole_height

    def words(self) -> str:
        """Return what was done, for people: `cropped, straightened by 1.3 degrees, turned by 90 degrees`.

        Empty where the page image is the source image.
        """
        parts = (
            self.is_cropped and "cropped",
            self.skew and f"straightened by {abs(self.skew):.1f} degrees",
            self.quarter_turns and f"turned by {90 * self.quarter_turns} degrees{self._as_others()}",
        )
        return ", ".join(part for part in parts if part)

    def _as_others(self) -> str:
        return f" like pages {' and '.join(map(str, self.turned_like))}" if self.turned_like else ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the page image."""
        _, _, width, height = self.box
        return (height, width) if self.quarter_turns % 2 else (width, height)

    @cached_property
    def to_source(self) -> Matrix:
        """The matrix that maps a point of the page image to the source image."""
        x, y, width, height = self.box
        # From the page image back to the box, then around the middle of the box.
        (a, b, c), (d, e, f) = {
            0: ((1, 0, 0), (0, 1, 0)),
            1: ((0, 1, 0), (-1, 0, height)),
            2: ((-1, 0, width), (0, -1, height)),
            3: ((0, -1, width), (1, 0, 0)),
        }[self.quarter_turns]
        along, down = c - width / 2, f - height / 2
        cos, sin = math.cos(math.radians(self.skew)), math.sin(math.radians(self.skew))
        middle_x, middle_y = x + width / 2, y + height / 2
        return (
            (cos * a - sin * d, cos * b - sin * e, cos * along - sin * down + middle_x),
            (sin * a + cos * d, sin * b + cos * e, sin * along + cos * down + middle_y),
        )

    @property
    def pixels_to_source(self) -> Matrix:
        """The same matrix for OpenCV, which counts from the middles of pixels."""
        (a, b, c), (d, e, f) = self.to_source
        return (a, b, c + ((a + b) / 2 - 0.5)), (d, e, f + ((d + e) / 2 - 0.5))

    @cached_property
    def to_page(self) -> Matrix:
        """The matrix that maps a point of the source image to the page image."""
        (a, b, c), (d, e, f) = self.to_source
        # Without scaling, the inverse of the turn is its transpose.
        return (a, d, -(a * c + d * f)), (b, e, -(b * c + e * f))

    def point_on_source(self, point: FloatPoint) -> FloatPoint:
        """Return where a point of the page image is on the source image."""
        return _mapped(self.to_source, point)

    def point_on_page(self, point: FloatPoint) -> FloatPoint:
        """Return where a point of the source image is on the page image."""
        return _mapped(self.to_page, point)

    def box_on_source(self, box: FloatBox) -> FloatBox:
        """Return the upright box on the source image around a box of the page image: x, y, width and height."""
        return _box_around(self.to_source, box)

    def box_on_page(self, box: FloatBox) -> FloatBox:
        """Return the upright box on the page image around a box of the source image: x, y, width and height."""
        return _box_around(self.to_page, box)

    def scaled(self, factor: float) -> "Geometry":
        """Return the geometry of the same page of a source image that is larger by a factor, as of another dpi."""
        x, y, width, height = self.box
        left, top = round(x * factor), round(y * factor)
        return self.model_copy(
            update={
                "source": Size(
                    width=max(1, round(self.source.width * factor)),
                    height=max(1, round(self.source.height * factor)),
                ),
                "box": (left, top, max(1, round(width * factor)), max(1, round(height * factor))),
            }
        )


def whole_box(size: tuple[int, int], skew: float) -> tuple[int, int, int, int]:
    """Return the box that shows all of a picture once it is straightened."""
    width, height = size
    cos, sin = math.cos(math.radians(abs(skew))), math.sin(math.radians(abs(skew)))
    wide, high = (
        math.ceil(width * cos + height * sin - _ROUNDING),
        math.ceil(height * cos + width * sin - _ROUNDING),
    )
    return (width - wide) // 2, (height - high) // 2, wide, high


def _mapped(matrix: Matrix, point: FloatPoint) -> FloatPoint:
    (a, b, c), (d, e, f) = matrix
    x, y = point
    return a * x + b * y + c, d * x + e * y + f


def _box_around(matrix: Matrix, box: FloatBox) -> FloatBox:
    x, y, width, height = box
    corners = [_mapped(matrix, corner) for corner in product((x, x + width), (y, y + height))]
    left, top = (min(corner[axis] for corner in corners) for axis in (0, 1))
    right, bottom = (max(corner[axis] for corner in corners) for axis in (0, 1))
    return left, top, right - left, bottom - top
