"""By how many degrees the lines of a page are turned against one of its sides.

The method is the projection profile of Postl (1986) on the upper and lower edges of the ink, as Baird (1987) used
the feet of letters: at the angle of the lines the edges of a line fall on few heights, and the sum of the squares
of the profile is largest. The picture is not rotated, only the coordinates of its edges are.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.pages.geometry.ink import Mask

LIMIT = 12.0
"""Maximum angle that is looked for, in degrees in both directions."""
_STEP = 0.25
_FINE_STEP = 0.04
_FEWEST_EDGES = 400
"""Pixels of edges, below which there is too little print to measure."""
_MOST_EDGES_COARSE = 6_000
_MOST_EDGES_FINE = 30_000

Points = NDArray[np.float32]
Values = NDArray[np.floating[Any]]


class Direction(NamedTuple):
    """How well lines in one direction explain the ink.

    Attributes:
        degrees: by which the lines are turned clockwise against the side of the page, to a quarter of a degree.
        sharpness: height of the best profile over the median of all; 1 for noise.
        edges: of the ink.
    """

    degrees: float
    sharpness: float
    edges: list[Points]


def lines_along(ink: Mask) -> Direction | None:
    """Return the direction of lines that run about along the rows of `ink`; None if there is too little ink.

    Args:
        ink: 1 where there is ink, of shape (height, width).
    """
    edges = _edges(ink)
    if sum(map(len, edges)) < _FEWEST_EDGES:
        return None
    few = _some(edges, _MOST_EDGES_COARSE)
    angles = np.arange(-LIMIT, LIMIT + _STEP / 2, _STEP)
    profiles = np.array([_sharpness(few, angle, 2.0) for angle in angles])
    best = float(angles[int(np.argmax(profiles))])
    return Direction(best, float(profiles.max() / np.median(profiles)), edges)


def exact_degrees(direction: Direction) -> float:
    """Return by how many degrees the lines are turned clockwise, to about a hundredth."""
    many = _some(direction.edges, _MOST_EDGES_FINE)
    near = direction.degrees + np.arange(-9, 10) * _FINE_STEP
    profiles = np.array([_sharpness(many, angle, 1.0) for angle in near])
    # Smoothed, because neighbouring angles differ by chance, too.
    return _peak(near[1:-1], np.convolve(profiles, [0.25, 0.5, 0.25], mode="valid"))


def _edges(ink: Mask) -> list[Points]:
    """Return x and y of the upper and of the lower edges of the ink, each of shape (n, 2)."""
    above, below = ink[:-1], ink[1:]
    return [_points(below & ~above & 1), _points(above & ~below & 1)]


def _points(edge: NDArray[Any]) -> Points:
    found: Any = cv2.findNonZero(edge)
    return np.zeros((0, 2), np.float32) if found is None else found.reshape(-1, 2).astype(np.float32)


def _some(edges: list[Points], most: int) -> list[Points]:
    """Return about so many points of edges, each anywhere within its pixel.

    The place within a pixel is not known. Without the noise all edges at 0 degrees would be on whole heights, and
    that profile would be the sharpest.
    """
    step = max(1, sum(map(len, edges)) // most)
    noise = np.random.default_rng(0)
    some = [each[::step] for each in edges]
    return [each + noise.random(each.shape, dtype=np.float32) for each in some]


def _sharpness(edges: list[Points], degrees: float, height: float) -> float:
    """Return the sum of the squares of the profiles at an angle, in rows of a height in pixels."""
    angle = np.radians(degrees)
    total = 0.0
    for points in edges:
        if not len(points):
            continue
        rows = (points[:, 1] * np.cos(angle) - points[:, 0] * np.sin(angle)) / height
        profile = np.bincount((rows - rows.min()).astype(np.int32)).astype(np.float64)
        total += float(np.square(profile).sum())
    return total


def _peak(angles: Values, values: Values) -> float:
    """Return the angle of the maximum, between two steps by a parabola."""
    best = int(np.argmax(values))
    if not 0 < best < len(values) - 1:
        return float(angles[best])
    before, top, after = values[best - 1 : best + 2]
    bend = before - 2 * top + after
    return float(angles[best] + (0.5 * (before - after) / bend if bend else 0.0) * (angles[1] - angles[0]))
