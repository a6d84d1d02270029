"""Lines of print: joins the pieces on one baseline, and measures the height and the distance of lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from worker.ocr.boxes import Baseline, Box, Polygon
from worker.ocr.confidence import mean_confidence
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.straight import Placed

_SAME_ROW = 0.5
"""Maximum distance of the middles of two pieces of a row, as a share of the height of the lower one."""
_LEADING = 1.2
"""Distance between lines in line heights, for a page with too few lines to measure it."""


@dataclass(frozen=True, slots=True)
class Measures:
    """The ordinary measures of a page: medians, in pixels.

    Attributes:
        line_height: of the box of a line.
        line_distance: from the middle of a line to the middle of the one below it.
    """

    line_height: float
    line_distance: float

    @property
    def line_space(self) -> float:
        """Between two lines, in pixels."""
        return self.line_distance - self.line_height


def measure(boxes: Sequence[Box]) -> Measures:
    """Return the measures of a page; both are at least 1 pixel."""
    line_height = max(1.0, median(box.height for box in boxes)) if boxes else 1.0
    middles = np.array([box.centre_y for box in boxes])
    lefts, rights = np.array([box.x for box in boxes]), np.array([box.right for box in boxes])
    distances = []
    for box in boxes:
        is_below = (lefts < box.right) & (rights > box.x) & (middles > box.centre_y + line_height / 2)
        if is_below.any():
            distances.append(float(middles[is_below].min()) - box.centre_y)
    return Measures(line_height, median(distances) if distances else _LEADING * line_height)


def rows_of(lines: Sequence[Placed[OcrLine]]) -> list[list[Placed[OcrLine]]]:
    """Group the pieces on one baseline: rows downwards, the pieces of each from left to right."""
    rows: list[list[Placed[OcrLine]]] = []
    for line in sorted(lines, key=lambda line: line.bbox.centre_y):
        if rows and _on_one_baseline(rows[-1][-1].bbox, line.bbox):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda line: line.bbox.x) for row in rows]


def joined(row: Sequence[Placed[OcrLine]]) -> Placed[OcrLine]:
    """Return a row as one line, in its place."""
    return Placed(joined_line([piece.item for piece in row]), Box.around(piece.bbox for piece in row))


def joined_line(row: Sequence[OcrLine]) -> OcrLine:
    """Return pieces as one line: a space between them, and the mean confidence over all characters.

    It has words and a baseline if each of its pieces has them.
    """
    return OcrLine(
        " ".join(piece.text for piece in row),
        mean_confidence(row),
        Box.around(piece.bbox for piece in row),
        tuple(word for piece in row for word in piece.words) if all(piece.words for piece in row) else (),
        _outline(row),
        _baseline(row),
    )


def _outline(row: Sequence[OcrLine]) -> Polygon | None:
    """Return the corners of a row: those of its ends. None, for its box, if it is not read from left to right."""
    outlines = [piece.outline for piece in row]
    if len(row) > 1 and not all(abs(right[1] - left[1]) < right[0] - left[0] for left, right, _, _ in outlines):
        return None
    return outlines[0][0], outlines[-1][1], outlines[-1][2], outlines[0][3]


def _baseline(row: Sequence[OcrLine]) -> Baseline | None:
    baselines = [piece.baseline for piece in row if piece.baseline]
    return (baselines[0][0], baselines[-1][1]) if len(baselines) == len(row) else None


def _on_one_baseline(one: Box, other: Box) -> bool:
    return abs(one.centre_y - other.centre_y) < _SAME_ROW * min(one.height, other.height)
