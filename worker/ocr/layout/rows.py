"""Lines of print: which pieces stand on the same baseline, and how high and how far apart lines are."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from worker.ocr.boxes import Box
from worker.ocr.engines.base import OcrLine

_SAME_ROW = 0.5
"""How far the middles of two pieces of a row differ at most, as a share of the lower one's height."""
_LEADING = 1.2
"""Distance between lines in line heights, where a page is too short to show its own."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What is ordinary on a page: medians, in pixels.

    Attributes:
        line_height: of the box of a line.
        line_distance: from the middle of a line to the middle of the one below it.
    """

    line_height: float
    line_distance: float


def measure(boxes: Sequence[Box]) -> Measures:
    """Measure the lines of a page; both figures are at least 1 pixel."""
    line_height = max(1.0, median(box.height for box in boxes)) if boxes else 1.0
    distances = []
    for box in boxes:
        below = [
            other.centre_y - box.centre_y
            for other in boxes
            if other.x < box.right and other.right > box.x and other.centre_y > box.centre_y + line_height / 2
        ]
        if below:
            distances.append(min(below))
    return Measures(line_height, median(distances) if distances else _LEADING * line_height)


def rows_of(lines: Sequence[OcrLine]) -> list[list[OcrLine]]:
    """Group pieces that stand on the same baseline: rows downwards, the pieces of each left to right."""
    rows: list[list[OcrLine]] = []
    for line in sorted(lines, key=lambda line: line.bbox.centre_y):
        if rows and _on_one_baseline(rows[-1][-1].bbox, line.bbox):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda line: line.bbox.x) for row in rows]


def joined(row: Sequence[OcrLine]) -> OcrLine:
    """A row as one line: a space between its pieces, its confidence the mean over all characters."""
    characters = sum(len(piece.text) for piece in row)
    return OcrLine(
        " ".join(piece.text for piece in row),
        sum(piece.confidence * len(piece.text) for piece in row) / characters,
        Box.around(piece.bbox for piece in row),
    )


def _on_one_baseline(one: Box, other: Box) -> bool:
    return abs(one.centre_y - other.centre_y) < _SAME_ROW * min(one.height, other.height)
