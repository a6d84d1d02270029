"""Finds the printed rules on a page: thin straight lines, level or upright, such as those between columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from worker.ocr.boxes import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Mask = NDArray[np.uint8]

_SHORTEST = 2.0
"""Minimum length of an unbroken part of a rule, in line heights: the strokes of letters are shorter."""
_THICKEST = 0.4
"""Maximum thickness of a rule, with what it is skewed, in line heights."""
_BREAK = 1.0
"""Maximum length of a break in a rule, in line heights."""
_DARKER = 18
"""How much darker than what is around it ink is, in levels of grey."""
_SAMPLED = 16.0
"""Minimum height of a line in the reduced picture that is looked at, in pixels; thin rules are still dark in it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules on a page, each as the box around it, in pixels of the page image."""

    level: tuple[Box, ...] = ()
    upright: tuple[Box, ...] = ()


NO_RULES = Rules()


def find_rules(page: "Image", text: Sequence[Box]) -> Rules:
    """Find the rules on a page; none where it has no text.

    Args:
        page: an image in RGB or 8-bit grey, on which lines of print are about level.
        text: the boxes of the lines of print, in pixels.
    """
    if not text:
        return NO_RULES
    import cv2  # noqa: PLC0415  # comes with rapidocr and is slow to import; only a worker needs it
    import numpy as np  # noqa: PLC0415 - the same

    line_height = median(box.height for box in text)
    factor = max(1, int(line_height / _SAMPLED))
    grey = np.asarray(page.reduce(factor).convert("L"))
    height = line_height / factor
    reach = max(3, round(height) // 2 * 2 + 1)
    ink = cv2.adaptiveThreshold(grey, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, reach, _DARKER).astype(
        np.uint8, copy=False
    )
    level = _rules(ink, height)
    upright = map(_mirrored, _rules(np.ascontiguousarray(ink.T), height))
    return Rules(
        tuple(_scaled(box, factor, page) for box in level), tuple(_scaled(box, factor, page) for box in upright)
    )


def _rules(ink: "Mask", line_height: float) -> list[Box]:
    """Return the level rules in a picture of ink."""
    return _joined(_unbroken(ink, line_height), line_height)


def _unbroken(ink: "Mask", line_height: float) -> list[Box]:
    """Return the boxes of the unbroken parts of level rules."""
    import cv2  # noqa: PLC0415 - the same
    import numpy as np  # noqa: PLC0415 - the same

    # A rule that is a little skewed goes over to the next row of pixels.
    thick = cv2.dilate(ink, np.ones((3, 1), np.uint8))
    long = cv2.morphologyEx(thick, cv2.MORPH_OPEN, np.ones((1, max(2, round(_SHORTEST * line_height))), np.uint8))
    _, _, statistics, _ = cv2.connectedComponentsWithStats(long, connectivity=8)
    boxes = [Box(int(x), int(y), int(width), int(height)) for x, y, width, height, _ in statistics[1:]]
    return [box for box in boxes if box.height <= _THICKEST * line_height + 2]


def _joined(parts: Iterable[Box], line_height: float) -> list[Box]:
    """Return level rules from left to right, whose parts have short breaks between them."""
    rules: list[Box] = []
    for part in sorted(parts, key=lambda box: box.x):
        before = next((rule for rule in rules if _goes_on(rule, part, line_height)), None)
        if before is not None:
            rules.remove(before)
            part = Box.around([before, part])  # noqa: PLW2901  # the whole takes the place of its part
        rules.append(part)
    return rules


def _goes_on(rule: Box, part: Box, line_height: float) -> bool:
    return (
        part.x - rule.right <= _BREAK * line_height
        and abs(part.centre_y - rule.centre_y) <= _THICKEST * line_height / 2
        and part.right > rule.right
    )


def _mirrored(box: Box) -> Box:
    return Box(box.y, box.x, box.height, box.width)


def _scaled(box: Box, factor: int, page: "Image") -> Box:
    return Box(*(factor * each for each in box)).clamped(*page.size)
