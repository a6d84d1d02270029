"""Reads the lines of a page, one at a time: a batch would be padded to its longest line.

Lines are cut out of the page at full size, upright, and shrunk to the height that the model reads. Very long ones
are read in pieces.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.ocr.boxes import Baseline, Box, Point
from worker.ocr.engines.base import OcrWord
from worker.ocr.engines.rapid.bows import Bow
from worker.ocr.engines.rapid.line_boxes import LineBox
from worker.ocr.engines.rapid.networks import Network
from worker.ocr.engines.rapid.pieces import Characters, find_cuts, join, pieces_between
from worker.ocr.engines.rapid.places import Place, Span, find_places

_HEIGHT = 48
_MIN_WIDTH = 320
"""Minimum width of what the model reads, in pixels; shorter lines are padded."""
_UPRIGHT = 1.5
"""Minimum height in widths of a line that is read from top to bottom, turned to the left."""
_STEP = 8
"""Pixels of the line image for which the model gives one output."""
_NOTHING = 0
"""The model's index for a step at which it reads no character."""


_Point = tuple[float, float]


class ReadLine(NamedTuple):
    """What a line says.

    Attributes:
        text: may begin or end with spaces.
        score: of the model, its mean over the characters, from 0 to 1.
        words: of the text, with their boxes on the page.
        baseline: on the page; None for a line without words.
    """

    text: str
    score: float
    words: tuple[OcrWord, ...] = ()
    baseline: Baseline | None = None


class Recogniser:
    """Reads lines with RapidOCR's model. Several threads may use it at once."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._characters = ["", *network.characters, " "]

    def read(self, page: NDArray[np.uint8], box: LineBox) -> ReadLine:
        """Return what a line says.

        Args:
            page: blue, green and red, of shape (height, width, 3).
            box: of the line, in pixels of the page.
        """
        line = _at_height(
            _cut_out(page, box.corners) if box.bow is None else _flattened(page, box.corners, box.bow)
        )
        cuts = find_cuts(line)
        read = join(
            [self._read_piece(line, start, end) for start, end in pieces_between(cuts, line.shape[1])], cuts
        )
        score = _mean(read.scores) if read.texts else 0.0
        words, baseline = _on_page(line, read, as_printed(box.corners), box.bow)
        return ReadLine("".join(read.texts), score, words, baseline)

    def _read_piece(self, line: NDArray[np.uint8], start: int, end: int) -> Characters:
        """Return what a line says between two columns."""
        read = self._decode(self._network(self._as_tensor(line[:, start:end]))[0])
        return read._replace(middles=read.middles + start)

    def _as_tensor(self, line: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a line from -1 to 1, padded with 0 on its right, of shape (1, 3, 48, width)."""
        width = line.shape[1]
        step = self._network.width_step
        padded = -(-max(_MIN_WIDTH, width) // step) * step
        batch = np.zeros((1, 3, _HEIGHT, padded), np.float32)
        batch[0, :, :, :width] = line.astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
        return batch

    def _decode(self, output: NDArray[np.float32]) -> Characters:
        """Return the characters of a line's output of shape (steps, characters): what stays the same is one."""
        indices = output.argmax(axis=1)
        is_new = indices != _NOTHING
        is_new[1:] &= indices[1:] != indices[:-1]
        steps = np.flatnonzero(is_new)
        texts = [self._characters[index] for index in indices[steps]]
        return Characters(texts, output[steps, indices[steps]], (steps + 0.5) * _STEP)


def as_printed(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the corners of a line clockwise from the top left of the line as it is read, of shape (4, 2)."""
    return np.roll(corners, -1, axis=0) if _is_turned(corners) else corners


def _cut_out(page: NDArray[np.uint8], corners: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a line upright, as RapidOCR's `get_rotate_crop_image` does: a tall one is turned to the left."""
    width, height = _size(corners)
    upright = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    line = cv2.warpPerspective(
        page,
        cv2.getPerspectiveTransform(corners, upright),
        (width, height),
        borderMode=cv2.BORDER_REPLICATE,
        flags=cv2.INTER_CUBIC,
    )
    return cast("NDArray[np.uint8]", np.rot90(line) if _is_turned(corners) else line)


def _flattened(page: NDArray[np.uint8], corners: NDArray[np.float32], bow: Bow) -> NDArray[np.uint8]:
    """Return a bowed line, cut out along its middle, at the height that the model reads."""
    width, height = _size(corners)
    length = -(-_HEIGHT * width // max(1, round(height * bow.height)))
    along = (np.arange(length) + 0.5) / length
    down = bow.down(along, (np.arange(_HEIGHT)[:, np.newaxis] + 0.5) / _HEIGHT)
    # OpenCV counts from the middles of pixels.
    across, below = (_place(corners, along, down) - 0.5).astype(np.float32).transpose(2, 0, 1)
    line: Any = cv2.remap(page, across, below, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(line, np.uint8)


def _is_turned(corners: NDArray[np.float32]) -> bool:
    width, height = _size(corners)
    return height / width >= _UPRIGHT


def _size(corners: NDArray[np.float32]) -> tuple[int, int]:
    """Return the longer of the opposite sides of a line, in whole pixels: width and height."""
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    return int(max(sides[0], sides[2])), int(max(sides[1], sides[3]))


def _at_height(line: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a line at the height that the model reads."""
    height, width = line.shape[:2]
    resized: Any = cv2.resize(line, (-(-_HEIGHT * width // height), _HEIGHT))
    return np.asarray(resized, np.uint8)


def _words(texts: Sequence[str]) -> list[slice]:
    """Return which characters are in each word; spaces are between them."""
    is_space = [text.isspace() for text in texts]
    bounds = [0, *(place for place in range(1, len(texts)) if is_space[place] != is_space[place - 1]), len(texts)]
    return [slice(*bound) for bound in pairwise(bounds) if bound[0] < bound[1] and not is_space[bound[0]]]


def _advance(middles: NDArray[np.floating[Any]]) -> float:
    """Return the mean distance from one character to the next, in pixels of the line image."""
    return float(middles[-1] - middles[0]) / (len(middles) - 1) if len(middles) > 1 else _HEIGHT / 2


def _mean(scores: NDArray[np.float32]) -> float:
    return min(1.0, float(scores.mean()))


def _on_page(
    line: NDArray[np.uint8], read: Characters, outline: NDArray[np.float32], bow: Bow | None
) -> tuple[tuple[OcrWord, ...], Baseline | None]:
    """Return the words of a line and its baseline; none if there are no words."""
    words = _words(read.texts)
    if not words:
        return (), None
    spans = [Span(read.middles[word.start], read.middles[word.stop - 1]) for word in words]
    places, height = find_places(line, spans, _advance(read.middles))
    on_page = _mapping(outline, bow, line.shape[1])
    found = tuple(
        OcrWord("".join(read.texts[word]), _mean(read.scores[word]), _box(on_page, place))
        for word, place in zip(words, places, strict=True)
    )
    start, end = on_page([(places[0].left, height), (places[-1].right, height)])
    return found, (_rounded(start), _rounded(end))


def _mapping(
    outline: NDArray[np.float32], bow: Bow | None, width: int
) -> Callable[[Sequence[_Point]], NDArray[np.float64]]:
    """Return what maps n points of a line image of that width to the page, of shape (n, 2)."""

    def on_page(points: Sequence[_Point]) -> NDArray[np.float64]:
        along, down = (np.asarray(points) / (width, _HEIGHT)).T
        return _place(outline, along, down if bow is None else bow.down(along, down))

    return on_page


def _place(outline: NDArray[np.float32], along: NDArray[Any], down: NDArray[Any]) -> NDArray[np.float64]:
    """Return where points of a rectangle are, of shape (..., 2), from how far along and down it they are."""
    top_left, top_right, bottom_right, bottom_left = outline
    above = top_left + along[..., np.newaxis] * (top_right - top_left)
    below = bottom_left + along[..., np.newaxis] * (bottom_right - bottom_left)
    place: NDArray[np.float64] = above + down[..., np.newaxis] * (below - above)
    return place


def _box(on_page: Callable[[Sequence[_Point]], NDArray[np.float64]], place: Place) -> Box:
    """Return the upright box on the page around a place in the line image."""
    left, top, right, bottom = place
    corners = on_page([(left, top), (right, top), (right, bottom), (left, bottom)])
    return Box.from_corners(*corners.min(axis=0), *corners.max(axis=0))


def _rounded(point: NDArray[np.float64]) -> Point:
    return round(float(point[0])), round(float(point[1]))
