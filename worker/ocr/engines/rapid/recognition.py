"""Reads the lines of a page, one at a time: a batch would be padded to its longest line.

Lines are cut out of the page at full size, upright, and shrunk to the height that the model reads.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.ocr.engines.rapid.networks import Network

_HEIGHT = 48
_MIN_WIDTH = 320
"""Minimum width of what the model reads, in pixels; shorter lines are padded."""


class ReadLine(NamedTuple):
    """The text of a line, and the model's mean score over its characters, from 0 to 1."""

    text: str
    score: float


class Recogniser:
    """Reads lines with RapidOCR's model. Several threads may use it at once."""

    def __init__(self, network: Network) -> None:
        from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode  # noqa: PLC0415  # imports what only a worker needs
        from rapidocr.utils.process_img import get_rotate_crop_image  # noqa: PLC0415 - the same

        self._network = network
        self._decode: Any = CTCLabelDecode(character=list(network.characters))
        self._cut_out: Any = get_rotate_crop_image

    def read(self, page: NDArray[np.uint8], corners: NDArray[np.float32]) -> ReadLine:
        """Return what a line says.

        Args:
            page: blue, green and red, of shape (height, width, 3).
            corners: of the line, of shape (4, 2), clockwise from the top left, in pixels of the page.
        """
        output = self._network(self._as_tensor(self._cut_out(page, corners.copy())))
        [(text, score)], _ = self._decode(output)
        return ReadLine(text, float(score))

    def _as_tensor(self, line: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a line from -1 to 1, padded with 0 on its right, of shape (1, 3, 48, width)."""
        height, width = line.shape[:2]
        scaled = -(-_HEIGHT * width // height)
        step = self._network.width_step
        padded = -(-max(_MIN_WIDTH, scaled) // step) * step
        batch = np.zeros((1, 3, _HEIGHT, padded), np.float32)
        resized = cv2.resize(line, (scaled, _HEIGHT)).astype(np.float32)
        batch[0, :, :, :scaled] = resized.transpose(2, 0, 1) / 127.5 - 1
        return batch
