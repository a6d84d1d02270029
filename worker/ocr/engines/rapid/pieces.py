"""Divides very long lines into pieces that are read one by one, and joins what they say.

A line of 12,800 pixels takes 1.5 times as long for each pixel as one of 1,600, and 600 MiB more memory, and the
model loses spaces and letters in it. Pieces are cut where the ink has a gap, and overlap a little: so the model
sees whether the gap is a space.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.ocr.engines.rapid.places import gaps_between, ink_of

_LONG = 3200
"""Minimum width of a line that is cut, in pixels. Lines of ordinary pages are shorter."""
_PIECE = 1600
"""Mean width of a piece, in pixels."""
_REACH = 400
"""How far from the place that would make equal pieces a gap may be, in pixels."""
_MIN_GAP = 8
"""Minimum width of a gap, in pixels: letters are nearer to each other."""
_OVERLAP = 64
"""Pixels that the model sees beyond a cut."""


class Characters(NamedTuple):
    """What the model read: each character, its score, and the middle of its step in pixels of the line image."""

    texts: list[str]
    scores: NDArray[np.float32]
    middles: NDArray[np.floating[Any]]


def find_cuts(line: NDArray[np.uint8]) -> list[int]:
    """Return the columns at which a line is cut, in order; none for a line that is not very long.

    Args:
        line: blue, green and red, of shape (height, width, 3).
    """
    width = line.shape[1]
    if width < _LONG:
        return []
    starts, ends = gaps_between(np.any(ink_of(line), axis=0))
    wide = ends - starts >= _MIN_GAP
    middles, widths = ((starts + ends) // 2)[wide], (ends - starts)[wide]
    count = round(width / _PIECE)
    cuts = []
    for number in range(1, count):
        near = np.abs(middles - width * number / count) <= _REACH
        if near.any():
            cuts.append(int(middles[near][np.argmax(widths[near])]))
    return cuts


def pieces_between(cuts: Sequence[int], width: int) -> list[tuple[int, int]]:
    """Return first and last column of each piece, with what overlaps."""
    return [(max(0, start - _OVERLAP), min(width, end + _OVERLAP)) for start, end in pairwise([0, *cuts, width])]


def join(pieces: Sequence[Characters], cuts: Sequence[int]) -> Characters:
    """Return the characters of a line whose pieces were cut at these columns."""
    joined = pieces[0]
    for cut, piece in zip(cuts, pieces[1:], strict=True):
        joined = _join(joined, piece, cut)
    return joined


def _join(before: Characters, after: Characters, cut: int) -> Characters:
    """Return the characters of `before` left of the cut and those of `after` right of it.

    Between them is a space if either of them has one there: its step may be on both sides of the cut.
    """
    end, after_spaces = _spaces_at(before, cut)
    before_spaces, start = _spaces_at(after, cut)
    spaces = np.concatenate([before.scores[end:after_spaces], after.scores[before_spaces:start]])
    parts = [_part(before, 0, end), _part(after, start, len(after.texts))]
    if len(spaces) and all(part.texts for part in parts):
        parts.insert(1, Characters([" "], spaces.max(keepdims=True), np.array([float(cut)])))
    return Characters(
        [text for part in parts for text in part.texts],
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.middles for part in parts]),
    )


def _spaces_at(read: Characters, cut: int) -> tuple[int, int]:
    """Return the index of the first of the spaces around a cut, and that after the last; the same if none are."""
    first = last = int(np.searchsorted(read.middles, cut))
    while first > 0 and read.texts[first - 1].isspace():
        first -= 1
    while last < len(read.texts) and read.texts[last].isspace():
        last += 1
    return first, last


def _part(read: Characters, first: int, last: int) -> Characters:
    return Characters(read.texts[first:last], read.scores[first:last], read.middles[first:last])
