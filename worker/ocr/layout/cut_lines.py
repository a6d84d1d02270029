"""Cuts a line in two at a space between words: engines read over the gutter between two columns."""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

from worker.ocr.boxes import Baseline, Box, Picture, Point, Polygon
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.straight import Placed

AnyPlaced = Placed[OcrLine] | Placed[Picture]


def gap_around(item: AnyPlaced, x: float) -> tuple[float, float] | None:
    """Return the ends of the space of a line in which `x` is; None if it is in none."""
    if not item.bbox.x < x < item.bbox.right:
        return None
    for (_, left), (right, _) in pairwise(item.words):
        if left <= x <= right:
            return left, right
    return None


def gap_near(item: AnyPlaced, x: float) -> tuple[float, float] | None:
    """Return the ends of the space of a line that is nearest to `x`; None if it is all on one side, or one word."""
    if not item.bbox.x < x < item.bbox.right:
        return None
    count = sum(left + right < 2 * x for left, right in item.words)
    if not 0 < count < len(item.words):
        return None
    return item.words[count - 1][1], item.words[count][0]


def cut_line(item: AnyPlaced, x: float) -> Sequence[AnyPlaced]:
    """Return the two pieces of a line, cut at the space that is nearest to `x`; the whole if it has none."""
    gap = gap_near(item, x)
    if gap is None or isinstance(item.item, Picture):
        return [item]
    count = sum(right <= gap[0] for _, right in item.words)
    line, box = item.item, item.bbox
    pieces: list[AnyPlaced] = []
    for words, places, left, right in (
        (line.words[:count], item.words[:count], box.x, gap[0]),
        (line.words[count:], item.words[count:], gap[1], box.right),
    ):
        start, end = (left - box.x) / box.width, (right - box.x) / box.width
        outline = _part_of_outline(line.outline, start, end)
        xs, ys = zip(*outline, strict=True)
        piece = OcrLine(
            " ".join(word.text for word in words),
            line.confidence,
            Box.from_corners(min(xs), min(ys), max(xs), max(ys)),
            words,
            line.polygon and outline,
            line.baseline and _part_of_baseline(line.baseline, start, end),
        )
        pieces.append(Placed(piece, Box.from_corners(left, box.y, right, box.bottom), places))
    return pieces


def cut_at_spaces(line: Placed[OcrLine], width: float) -> list[Placed[OcrLine]]:
    """Return the pieces of a line between spaces that are at least so wide, in pixels, from left to right."""
    xs = [(end + start) / 2 for (_, end), (start, _) in pairwise(line.words) if start - end >= width]
    return cut_at(line, xs)


def cut_at(line: Placed[OcrLine], xs: Sequence[float]) -> list[Placed[OcrLine]]:
    """Return the pieces of a line, cut at the spaces nearest to some places, which go from left to right."""
    pieces = [line]
    for x in xs:
        cut = cut_line(pieces[-1], x)
        pieces[-1:] = [Placed(each.item, each.bbox, each.words) for each in cut if isinstance(each.item, OcrLine)]
    return pieces


def _part_of_outline(outline: Polygon, start: float, end: float) -> Polygon:
    (top, top_end, bottom_end, bottom) = outline
    return (
        _between(top, top_end, start),
        _between(top, top_end, end),
        _between(bottom, bottom_end, end),
        _between(bottom, bottom_end, start),
    )


def _part_of_baseline(baseline: Baseline, start: float, end: float) -> Baseline:
    return cast("Baseline", tuple(_between(*baseline, share) for share in (start, end)))


def _between(one: Point, other: Point, share: float) -> Point:
    return round(one[0] + share * (other[0] - one[0])), round(one[1] + share * (other[1] - one[1]))
