"""Whether the lines that were read are the print of the other side of the leaf, which shows through a blank page.

Such print is pale and mirrored. An engine reads some of it, with little confidence, and reads it well on the
mirrored page. A faded page is read no better mirrored, and keeps its text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from worker.ocr.confidence import mean_confidence
from worker.ocr.engines.base import OcrLine

if TYPE_CHECKING:
    from PIL.Image import Image

_SURE = 0.9
"""Minimum confidence of print that is read on the right side."""
_BETTER = 0.1
"""Minimum difference of the confidences of both readings."""
_FEWEST_CHARACTERS = 8
_PALE = 0.55
"""Minimum brightness of ink that shows through, as a share of the brightness of the paper around it."""
_DARKEST, _BRIGHTEST = 5, 90
"""Percentiles of the pixels of a line, for ink and paper."""


def shows_through(lines: Sequence[OcrLine], page: Image, recognise: Callable[[Image], Sequence[OcrLine]]) -> bool:
    """Return whether all lines of a page show through from the other side.

    Args:
        lines: of the page.
        page: RGB or 8-bit grey.
        recognise: returns the lines of an image. It is asked only about a pale page that was read badly.
    """
    confidence = _confidence(lines)
    if not 0 < confidence < _SURE or not _is_pale(lines, page):
        return False
    from PIL.ImageOps import mirror  # noqa: PLC0415  # only a worker needs it

    return _confidence(recognise(mirror(page))) >= confidence + _BETTER


def _confidence(lines: Sequence[OcrLine]) -> float:
    """Return the mean confidence over the characters; 0 for too few of them."""
    characters = sum(len(line.text) for line in lines)
    return 0.0 if characters < _FEWEST_CHARACTERS else mean_confidence(lines)


def _is_pale(lines: Sequence[OcrLine], page: Image) -> bool:
    """Return whether no line with text has dark ink."""
    import numpy as np  # noqa: PLC0415  # only a worker needs it

    for line in lines:
        if line.text:
            box = line.bbox
            pixels = np.asarray(page.crop((box.x, box.y, box.right, box.bottom)).convert("L"))
            ink, paper = np.percentile(pixels, (_DARKEST, _BRIGHTEST))
            if ink < _PALE * paper:
                return False
    return True
