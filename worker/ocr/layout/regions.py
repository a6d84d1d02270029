"""Arranges lines of text and pictures into typed regions, in reading order.

A skewed page is straightened first. Lengths are measured in ordinary line heights, so that resolution does not
matter. Columns are divided into
paragraphs at wide gaps and at indents. Words keep their hyphens at line ends.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from worker.ocr.boxes import Box, Picture, points_inside
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.columns import Item, split_columns
from worker.ocr.layout.rows import Measures, joined, joined_line, measure, rows_of
from worker.ocr.layout.straight import Placed, skew_of, straightened

LAYOUT = "layout 2"
"""How lines are arranged. A new one makes the pages that were arranged with the earlier one stale."""

_MARGIN = 0.10
"""Share of the page's height, at the top and at the bottom, that can contain a header or a footer."""
_LONGEST_HEADER = 70
"""Maximum number of characters of a running head with its page number."""
_TALLEST_HEADER = 1.8
"""Maximum height of a header in line heights; a taller one is a title."""
_SET_APART = 1.4
"""Minimum distance of a header or a new paragraph from the text, in ordinary distances from line to line."""
_INDENT = 0.7
"""Minimum indent of a paragraph's first line, in line heights; less is skew or a curled page."""
_DEEPEST_INDENT = 3.0
"""Maximum indent in line heights; deeper is verse, whose lines all end short."""
_ENDS_SHORT = 2.0
"""Minimum distance from the column's right edge, in line heights, of the last line of a paragraph."""
_CAPTION_DISTANCE = 2.5
"""Maximum distance between a caption and its picture, in line heights."""
_LONGEST_CAPTION = 200
"""Maximum number of characters of a caption."""
_OFF_CENTRE = 0.2
"""Maximum distance of the middle of a caption from that of its picture, as a share of the picture's width."""


class RegionType(StrEnum):
    """The type of a region on its page."""

    HEADER = "header"
    BODY = "body"
    FOOTER = "footer"
    CAPTION = "caption"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a page: a paragraph, a running head, a picture.

    Attributes:
        bbox: upright box around it, in pixels of the page image.
        text: its lines, joined by a line feed; empty for a picture.
        confidence: from 0 to 1; the engine's mean over all characters, and for a picture the share of dark cells in
            its box.
        lines: of print, downwards; none for a picture.
    """

    type: RegionType
    bbox: Box
    text: str
    confidence: float
    lines: tuple[OcrLine, ...] = ()


def arrange(lines: Sequence[OcrLine], pictures: Sequence[Picture], size: tuple[int, int]) -> list[Region]:
    """Group lines and pictures into regions, in reading order.

    Args:
        lines: of an engine, in any order; parts outside the page are cut off.
        pictures: from `find_pictures`.
        size: width and height of the page, in pixels.
    """
    width, height = size
    clamped = [_clamped(line, width, height) for line in lines]
    lines = [line for line in clamped if line.bbox.width > 0 and line.bbox.height > 0]
    skew = skew_of(lines)
    placed = straightened(lines, skew)
    measures = measure([line.bbox for line in placed])
    header, text, footer = _without_margins(placed, height, measures)
    columns = split_columns([*text, *straightened(pictures, skew)], measures)
    body = [region for column in columns for region in _regions_of(column, measures)]
    for picture in pictures:
        body = _with_caption(body, picture.bbox, measures)
    return [
        *(_text_region(RegionType.HEADER, [row]) for row in header),
        *body,
        *(_text_region(RegionType.FOOTER, [row]) for row in footer),
    ]


def _clamped(line: OcrLine, width: int, height: int) -> OcrLine:
    return replace(
        line,
        bbox=line.bbox.clamped(width, height),
        words=tuple(replace(word, bbox=word.bbox.nearest(width, height)) for word in line.words),
        polygon=line.polygon and points_inside(line.polygon, width, height),
        baseline=line.baseline and points_inside(line.baseline, width, height),
    )


def _without_margins(
    lines: Sequence[Placed[OcrLine]], page_height: int, measures: Measures
) -> tuple[list[Placed[OcrLine]], list[Placed[OcrLine]], list[Placed[OcrLine]]]:
    """Return header, text and footer; header and footer are one joined row or none."""
    rows = rows_of(lines)
    header, footer = [], []
    if rows and joined(rows[0]).bbox.centre_y < _MARGIN * page_height and _stands_apart(rows, 0, measures):
        header = [joined(rows.pop(0))]
    if rows and joined(rows[-1]).bbox.centre_y > (1 - _MARGIN) * page_height and _stands_apart(rows, -1, measures):
        footer = [joined(rows.pop())]
    return header, [line for row in rows for line in row], footer


def _stands_apart(rows: list[list[Placed[OcrLine]]], index: int, measures: Measures) -> bool:
    row = joined(rows[index])
    neighbours = [joined(other).bbox for other in rows if other is not rows[index]]
    distance = min((abs(box.centre_y - row.bbox.centre_y) for box in neighbours), default=float("inf"))
    return (
        len(row.item.text) <= _LONGEST_HEADER
        and row.bbox.height <= _TALLEST_HEADER * measures.line_height
        and distance >= _SET_APART * measures.line_distance
    )


def _regions_of(column: Sequence[Item], measures: Measures) -> Iterator[Region]:
    run: list[Placed[OcrLine]] = []
    for placed in column:
        if isinstance(placed.item, OcrLine):
            run.append(Placed(placed.item, placed.bbox))
            continue
        yield from _paragraphs(run, measures)
        run = []
        yield Region(RegionType.IMAGE, placed.item.bbox, "", round(placed.item.fill, 4))
    yield from _paragraphs(run, measures)


def _paragraphs(lines: Sequence[Placed[OcrLine]], measures: Measures) -> Iterator[Region]:
    rows = [joined(row) for row in rows_of(lines)]
    if not rows:
        return
    indent = _INDENT * measures.line_height
    full_line = max(row.bbox.right for row in rows) - _ENDS_SHORT * measures.line_height
    paragraph, indented = [rows[0]], False
    for row in rows[1:]:
        before = paragraph[-1].bbox
        step = row.bbox.x - before.x
        gap = row.bbox.centre_y - before.centre_y > _SET_APART * measures.line_distance
        # In dialogue a paragraph may have one line: the next one has the same indent, after a line that ends short.
        another = indented and len(paragraph) == 1 and abs(step) <= indent and before.right < full_line
        if gap or step > indent or another:
            yield _text_region(RegionType.BODY, paragraph)
            paragraph = []
            indented = another or indent < step <= _DEEPEST_INDENT * measures.line_height
        paragraph.append(row)
    yield _text_region(RegionType.BODY, paragraph)


def _text_region(kind: RegionType, rows: Sequence[Placed[OcrLine]]) -> Region:
    lines = tuple(row.item for row in rows)
    whole = joined_line(lines)
    return Region(kind, whole.bbox, "\n".join(line.text for line in lines), round(whole.confidence, 4), lines)


def _with_caption(regions: list[Region], picture: Box, measures: Measures) -> list[Region]:
    """Return the regions, with the nearest short text below the picture, or else above it, as its caption."""
    near = [region for region in regions if _may_be_caption(region, picture, measures)]
    if not near:
        return regions
    caption = min(near, key=lambda region: (region.bbox.centre_y < picture.centre_y, _gap(region.bbox, picture)))
    return [replace(region, type=RegionType.CAPTION) if region is caption else region for region in regions]


def _may_be_caption(region: Region, picture: Box, measures: Measures) -> bool:
    box = region.bbox
    return (
        region.type is RegionType.BODY
        and len(region.text) <= _LONGEST_CAPTION
        and not picture.y < box.centre_y < picture.bottom
        and _gap(box, picture) <= _CAPTION_DISTANCE * measures.line_height
        and abs(box.centre_x - picture.centre_x) <= _OFF_CENTRE * picture.width
    )


def _gap(one: Box, other: Box) -> int:
    """Return the free height between two boxes, in pixels; negative if they overlap."""
    return max(one.y - other.bottom, other.y - one.bottom)
