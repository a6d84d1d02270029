"""Finds the lines of print on a page.

The detector sees a copy in which small letters are about 9 pixels high. At that height and above it finds the
same lines on the sample book, on a page of small type and on Fraktur; below it loses some. A copy of one size for
all pages is larger than ordinary print needs, and makes the print of a newspaper illegible. A large copy is seen in
tiles, whose results are joined before lines are looked for, so that no line is cut.
"""

from itertools import pairwise
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.ocr.engines.rapid.line_boxes import LineBox, line_boxes
from worker.ocr.engines.rapid.networks import Network, Tensor
from worker.ocr.engines.rapid.print_size import x_height

Image = NDArray[Any]
"""Of bytes: OpenCV's types say only that it returns numbers."""

_X_HEIGHT = 9.0
"""Height of small letters on the copy, in pixels."""
_SHORTEST_COPY = 736
"""Minimum of the longer side of a copy that is smaller than the page, in pixels."""
_COPY_WITHOUT_PRINT = 1280
"""Longer side of the copy of a page with too little print to measure, in pixels."""
_TILE = 1088
"""Maximum side of a tile, in pixels. Memory grows with its area."""
_MARGIN = 64
"""Pixels of a tile on each inner edge whose result is taken from its neighbour."""
_MULTIPLE = 32
"""Sides of what the network sees are multiples of this."""


class Detector:
    """Finds lines with RapidOCR's model. Several threads may use it at once."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def find(self, page: Image) -> list[LineBox]:
        """Return where each line is, in pixels of the page.

        Args:
            page: blue, green and red, of shape (height, width, 3).
        """
        height, width = page.shape[:2]
        scale = _scale(page)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        heat = self._heat(cv2.resize(page, size, interpolation=cv2.INTER_AREA))
        return line_boxes(heat, height, width)

    def _heat(self, copy: Image) -> NDArray[np.uint8]:
        """Return how probable text is for each pixel of a copy, from 0 to 255."""
        heat = np.empty(copy.shape[:2], np.uint8)
        for top, bottom in _tiles(copy.shape[0]):
            for left, right in _tiles(copy.shape[1]):
                inner = self._heat_of_tile(_with_margin(copy, top, bottom, left, right))
                above, before = min(_MARGIN, top), min(_MARGIN, left)
                heat[top:bottom, left:right] = inner[above : above + bottom - top, before : before + right - left]
        return heat

    def _heat_of_tile(self, tile: Image) -> NDArray[np.uint8]:
        height, width = tile.shape[:2]
        padded = cv2.copyMakeBorder(tile, 0, -height % _MULTIPLE, 0, -width % _MULTIPLE, cv2.BORDER_REPLICATE)
        output = self._network(_as_tensor(padded))[0, 0, :height, :width]
        found: NDArray[np.uint8] = np.rint(output * 255).astype(np.uint8)
        return found


def _scale(page: Image) -> float:
    """Return the size of the copy as a share of the page's."""
    longer: int = max(page.shape[:2])
    size = x_height(cv2.cvtColor(page, cv2.COLOR_BGR2GRAY))
    if size is None:
        return min(1.0, _COPY_WITHOUT_PRINT / longer)
    return min(1.0, max(_X_HEIGHT / size, _SHORTEST_COPY / longer))


def _tiles(length: int) -> list[tuple[int, int]]:
    """Return start and end of each tile along a side, without margins; all are about equally long."""
    if length <= _TILE:
        return [(0, length)]
    count = -(-length // (_TILE - 2 * _MARGIN))
    edges = [round(length * number / count) for number in range(count + 1)]
    return list(pairwise(edges))


def _with_margin(copy: Image, top: int, bottom: int, left: int, right: int) -> Image:
    return copy[max(0, top - _MARGIN) : bottom + _MARGIN, max(0, left - _MARGIN) : right + _MARGIN]


def _as_tensor(image: Image) -> Tensor:
    """Return an image as the networks expect it, from -1 to 1, of shape (1, 3, height, width)."""
    tensor: Any = cv2.dnn.blobFromImage(image, scalefactor=1 / 127.5, mean=(127.5, 127.5, 127.5))
    return cast(Tensor, tensor)
