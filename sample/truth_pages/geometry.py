"""Moving points and pictures: affine transforms, quarter turns, and the curl of a bound page.

Coordinates are continuous: pixel 0 reaches from 0 to 1, and its middle is at 0.5.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Polygon = tuple[Point, ...]
Ink = NDArray[np.uint8]

_PARTS_OF_AN_EDGE = 8
"""A curled edge is followed in so many straight parts."""


@dataclass(frozen=True, slots=True)
class Affine:
    """An affine transform: x' = a x + b y + c and y' = d x + e y + f."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 1.0
    f: float = 0.0

    @classmethod
    def shift(cls, x: float, y: float) -> "Affine":
        """Return a translation."""
        return cls(c=x, f=y)

    @classmethod
    def rotation(cls, degrees: float) -> "Affine":
        """Return a clockwise rotation around the origin."""
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return cls(cosine, -sine, 0.0, sine, cosine, 0.0)

    @classmethod
    def quarter_turns(cls, turns: int, size: tuple[int, int]) -> "Affine":
        """Return what clockwise quarter turns do to a picture of that width and height."""
        transform = cls()
        width, height = size
        for _ in range(turns % 4):
            transform = transform.then(cls(0.0, -1.0, height, 1.0, 0.0, 0.0))
            width, height = height, width
        return transform

    @property
    def coefficients(self) -> tuple[float, float, float, float, float, float]:
        """a, b, c, d, e and f."""
        return self.a, self.b, self.c, self.d, self.e, self.f

    @property
    def inverse(self) -> "Affine":
        """The transform that undoes this one."""
        determinant = self.a * self.e - self.b * self.d
        a, b, d, e = (part / determinant for part in (self.e, -self.b, -self.d, self.a))
        return Affine(a, b, -(a * self.c + b * self.f), d, e, -(d * self.c + e * self.f))

    def then(self, after: "Affine") -> "Affine":
        """Return this transform followed by another one."""
        return Affine(
            after.a * self.a + after.b * self.d,
            after.a * self.b + after.b * self.e,
            after.a * self.c + after.b * self.f + after.c,
            after.d * self.a + after.e * self.d,
            after.d * self.b + after.e * self.e,
            after.d * self.c + after.e * self.f + after.f,
        )

    def point(self, x: float, y: float) -> Point:
        """Return where a point comes to lie."""
        return self.a * x + self.b * y + self.c, self.d * x + self.e * y + self.f

    def points(self, polygon: Polygon) -> Polygon:
        """Return where points come to lie."""
        return tuple(self.point(x, y) for x, y in polygon)

    def picture(self, ink: Ink, size: tuple[int, int]) -> Ink:
        """Return a picture after the transform, in a frame of that width and height; outside of it is 0."""
        # OpenCV counts from the middle of pixels.
        centred = Affine.shift(0.5, 0.5).then(self).then(Affine.shift(-0.5, -0.5))
        matrix = np.array(centred.coefficients, np.float64).reshape(2, 3)
        return np.asarray(cv2.warpAffine(ink, matrix, size, flags=cv2.INTER_CUBIC), np.uint8)


@dataclass(frozen=True, slots=True)
class Curl:
    """Print that sinks towards the binding, where a bound page bends.

    Attributes:
        depth: by how much it is lowered at the binding, in pixels.
        binding: x of the binding.
        reach: at that distance from the binding, in pixels, it is lowered by about a third of it.
    """

    depth: float
    binding: float
    reach: float

    def points(self, polygon: Polygon) -> Polygon:
        """Return where a polygon comes to lie.

        The edges of one with four corners are cut to follow the curl: the upper edge from left to right, the lower
        edge back. A line of two points is cut in the same way.
        """
        if not self.depth:
            return polygon
        if len(polygon) == 4:  # noqa: PLR2004  # the corners of an upright rectangle
            upper_left, upper_right, lower_right, lower_left = polygon
            return (*self._edge(upper_left, upper_right), *self._edge(lower_right, lower_left))
        if len(polygon) == 2:  # noqa: PLR2004  # the ends of a line
            return self._edge(*polygon)
        return tuple((x, y + self._lowered(x)) for x, y in polygon)

    def picture(self, ink: Ink) -> Ink:
        """Return the curled picture, of the same size."""
        if not self.depth:
            return ink
        height, width = ink.shape
        middles = np.arange(width, dtype=np.float32) + 0.5
        lowered = self.depth * np.exp(-np.abs(middles - self.binding) / self.reach)
        rows = np.arange(height, dtype=np.float32)[:, np.newaxis] - lowered[np.newaxis].astype(np.float32)
        columns = np.broadcast_to(np.arange(width, dtype=np.float32), (height, width)).copy()
        return np.asarray(cv2.remap(ink, columns, rows, cv2.INTER_CUBIC), np.uint8)

    def _edge(self, start: Point, end: Point) -> Polygon:
        shares = [part / _PARTS_OF_AN_EDGE for part in range(_PARTS_OF_AN_EDGE + 1)]
        between = [
            tuple(one + share * (two - one) for one, two in zip(start, end, strict=True)) for share in shares
        ]
        return tuple((x, y + self._lowered(x)) for x, y in between)

    def _lowered(self, x: float) -> float:
        return self.depth * math.exp(-abs(x - self.binding) / self.reach)
