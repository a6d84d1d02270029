"""Which way up a page is: pieces of its lines are shown, both ways up, to a classifier.

The classifier of RapidOCR was made for modern print: it is sure of nearly every piece there, and of Fraktur it
takes a third for upside down. Each piece is therefore compared with itself turned around, and all pieces of a page
vote.
"""

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.pages.geometry.ink import Mask

PIECE_WIDTH, PIECE_HEIGHT = 192, 48
"""Of the picture of a piece, in pixels."""
AT_ONCE = 12
"""So many pieces are shown to the classifier at a time, until their evidence is clear."""
ALL_PIECES = 60
_CLEAR = 3.0
"""Evidence above which no more pieces are shown: that of 10 pieces of 12 that are sure."""
_FEWEST_PARTS = 8
"""Connected parts of ink, below which there is no text."""
_SHORTEST_X_HEIGHT = 3
_GAP = 2.0
"""Maximum gap between the letters and words of a line, in heights of small letters."""
_TALLEST = 4.0
"""Maximum height of a line, in heights of small letters."""
_LONGER_THAN_HIGH = 4
_LETTERS, _CAPITALS = 2.0, 2.8
"""Minimum and maximum height of a piece in heights of small letters."""

Pictures = NDArray[np.uint8]
Classifier = Callable[[Pictures], NDArray[np.floating[Any]]]
"""Takes pictures of shape (n, 48, 192, 3), returns the probability that each is upside down."""


class Piece(NamedTuple):
    """A piece of a line, in pixels of the straightened copy."""

    x: float
    y: float
    width: float
    height: float


class Vote(NamedTuple):
    """What the pieces of a page say.

    Attributes:
        pieces: the number of pieces.
        upside_down: how many look more like print when they are turned around.
        evidence: for the page being upright, in standard deviations of a page without any; negative for the
            page being upside down.
    """

    pieces: int
    upside_down: int
    evidence: float

    @property
    def confidence(self) -> float:
        """The probability that the sign of the evidence is right."""
        return 0.5 * (1 + math.erf(abs(self.evidence) / math.sqrt(2)))


def find_pieces(ink: Mask) -> list[Piece]:
    """Return pieces of the longest lines of print that run along the rows of `ink`.

    Each line gives a piece before any gives a second one.
    """
    _, _, found, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    parts: Any = found
    tall = parts[1:, cv2.CC_STAT_HEIGHT]
    tall = tall[tall >= _SHORTEST_X_HEIGHT]
    if len(tall) < _FEWEST_PARTS:
        return []
    x_height = float(np.median(tall))
    gap = max(3, round(_GAP * x_height))
    smeared = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, gap), np.uint8))
    # Removes the descenders that connect a line with the one below.
    smeared = cv2.morphologyEx(smeared, cv2.MORPH_OPEN, np.ones((1, 2 * gap), np.uint8))
    _, _, found, _ = cv2.connectedComponentsWithStats(smeared, connectivity=4)
    lines: Any = found[1:]
    widths, heights = lines[:, cv2.CC_STAT_WIDTH], lines[:, cv2.CC_STAT_HEIGHT]
    lines = lines[(heights <= _TALLEST * x_height) & (widths >= _LONGER_THAN_HIGH * np.maximum(heights, x_height))]
    order = np.argsort(-lines[:, cv2.CC_STAT_WIDTH], kind="stable")[:ALL_PIECES]
    of_lines = [_pieces(x, y, width, height, x_height) for x, y, width, height, _ in lines[order].tolist()]
    in_turn = [piece for row in zip_longest(*of_lines) for piece in row if piece is not None]
    return in_turn[:ALL_PIECES]


def _pieces(x: int, y: int, width: int, height: int, x_height: float) -> list[Piece]:
    """Return pieces of a line, the middle one first."""
    tall = min(max(height, _LETTERS * x_height), _CAPITALS * x_height)
    wide = tall * PIECE_WIDTH / PIECE_HEIGHT
    count = max(1, int(width // wide))
    starts = [x + width / 2 + (number - count / 2) * wide for number in range(count)]
    starts.sort(key=lambda start: abs(start + wide / 2 - x - width / 2))
    return [Piece(start, y + (height - tall) / 2, wide, tall) for start in starts]


def vote(page: NDArray[Any], pieces: Sequence[NDArray[np.float64]], classify: Classifier) -> Vote:
    """Return what the pieces of a page say; no more of them are looked at than are needed for a clear answer.

    Args:
        page: bytes of shape (height, width), or (height, width, 3) with red, green and blue.
        pieces: for each the matrix of shape (2, 3) from points of its picture to points of the page.
        classify: returns the probability that each picture is upside down.
    """
    upright = np.zeros(0)
    for start in range(0, len(pieces), AT_ONCE):
        pictures = _cut_out(page, pieces[start : start + AT_ONCE])
        upright = np.concatenate([upright, _upright(pictures, classify)])
        if abs(_evidence(upright)) >= _CLEAR:
            break
    return Vote(len(upright), int((upright < 0).sum()), _evidence(upright))


def _upright(pictures: Pictures, classify: Classifier) -> NDArray[np.float64]:
    """Return for each picture how much more it looks like print than turned around, from -1 to 1."""
    turned = np.ascontiguousarray(pictures[:, ::-1, ::-1])
    return np.asarray(classify(turned), np.float64) - np.asarray(classify(pictures), np.float64)


def _evidence(upright: NDArray[np.float64]) -> float:
    return float(upright.sum() / math.sqrt(float(np.square(upright).sum()) + 1))


def _cut_out(page: NDArray[Any], matrices: Sequence[NDArray[np.float64]]) -> Pictures:
    """Return pictures of pieces, of shape (n, 48, 192, 3)."""
    pictures = np.empty((len(matrices), PIECE_HEIGHT, PIECE_WIDTH, 3), np.uint8)
    for number, matrix in enumerate(matrices):
        piece: Any = cv2.warpAffine(
            page,
            matrix,
            (PIECE_WIDTH, PIECE_HEIGHT),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        pictures[number] = piece if piece.ndim == page.ndim == 3 else piece[:, :, np.newaxis]  # noqa: PLR2004  # grey has no third axis
    return pictures
