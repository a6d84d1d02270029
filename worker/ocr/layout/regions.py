"""Arranges lines of text and pictures into typed regions, in reading order.

A skewed page is straightened first. Lengths are measured in ordinary line heights, so that resolution does not
matter. Words keep their hyphens at line ends.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from worker.ocr.boxes import Box, Picture, points_inside
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.columns import split_columns
from worker.ocr.layout.gutters import Item
from worker.ocr.layout.initials import join_initials
from worker.ocr.layout.joins import Joins, find_joins
from worker.ocr.layout.marginalia import take_marginalia
from worker.ocr.layout.margins import find_margins
from worker.ocr.layout.notes import note_types
from worker.ocr.layout.paragraphs import Paragraph, paragraphs_of
from worker.ocr.layout.region_types import RegionType
from worker.ocr.layout.rows import Measures, joined_line, measure
from worker.ocr.layout.rules import NO_RULES, Rules
from worker.ocr.layout.straight import Placed, skew_of, straightened
from worker.ocr.layout.table import Cell, Table, table_text
from worker.ocr.layout.tables import take_tables
from worker.ocr.layout.vertical import take_vertical

_CAPTION_DISTANCE = 2.5
"""Maximum distance between a caption and its picture, in line heights."""
_LONGEST_CAPTION = 200
"""Maximum number of characters of a caption."""
_TALLEST_CAPTION = 1.3
"""Maximum height of a caption for each of its lines, in line heights; taller ones are headings below ornaments."""
_WIDEST_ABOVE = 0.8
"""Maximum width of a caption above its picture, as a share of the picture's; text that goes on below is wider."""
_OF_TABLE = re.compile(r"\W*(?:tab|taf|plate|fig|abb|no|nr|n\N{DEGREE SIGN})\w*\.?\s*[\dIVXLC]", re.IGNORECASE)
"""How a caption of a table begins: `Table 3`, `Tabelle 3`, `Tableau III`, `Tab. 3`."""
_OFF_CENTRE = 0.2
"""Maximum distance of the middle of a caption from that of its picture, as a share of the picture's width."""


_Part = Picture | Paragraph


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a page: a paragraph, a running head, a picture.

    Attributes:
        bbox: upright box around it, in pixels of the page image.
        text: its lines, joined by a line feed; of a table its rows, with tabs between cells; empty for a picture.
        confidence: from 0 to 1; the engine's mean over all characters, and for a picture the share of dark cells in
            its box.
        lines: of print, downwards, of a table cell by cell; none for a picture.
        rows: of a table; empty for all else.
        goes_on: whether the paragraph goes on in the next region that `comes_from` another one.
        comes_from: whether it is the rest of a paragraph.
        open_start: whether it may be the rest of a paragraph of the page before.
        open_end: whether it may go on on the next page.
    """

    type: RegionType
    bbox: Box
    text: str
    confidence: float
    lines: tuple[OcrLine, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    goes_on: bool = False
    comes_from: bool = False
    open_start: bool = False
    open_end: bool = False


def arrange(
    lines: Sequence[OcrLine],
    pictures: Sequence[Picture],
    size: tuple[int, int],
    paper: Box | None = None,
    rules: Rules = NO_RULES,
) -> list[Region]:
    """Group lines and pictures into regions, in reading order.

    Args:
        lines: of an engine, in any order; parts outside the page are cut off.
        pictures: from `find_pictures`.
        size: width and height of the page, in pixels.
        paper: from `find_paper`; None if all of the picture is paper.
        rules: from `find_rules`.
    """
    width, height = size
    clamped = [_clamped(line, width, height) for line in lines]
    lines = [line for line in clamped if line.bbox.width > 0 and line.bbox.height > 0]
    skew = skew_of(lines)
    level, vertical = take_vertical(straightened(lines, skew))
    measures = measure([line.bbox for line in level])
    found, placed = take_tables(level, rules, skew)
    # Columns of text go around a table as around a picture.
    tables = {Picture(table.bbox, fill=1): table for table in found}
    pictures = [picture for picture in pictures if not any(_is_within(picture.bbox, each.bbox) for each in found)]
    (sheet,) = straightened([Picture(paper or Box(0, 0, width, height), fill=1)], skew)
    areas = straightened([*pictures, *tables], skew)
    text, notes = take_marginalia(join_initials(placed, skew, measures), areas, measures)
    margins = find_margins(text, sheet.bbox, measures)
    columns = split_columns([*margins.text, *areas], measures, _upright(rules, [*pictures, *tables], skew))
    parts = [list(_parts_of(column, measures)) for column in columns]
    body = _body(parts, tables)
    for picture in pictures:
        body = _with_caption(body, picture.bbox, measures)
    for table in tables:
        body = _with_caption(body, table.bbox, measures, is_table=True)
    of_lines = [[part if isinstance(part, Picture) else part.lines for part in column] for column in parts]
    body = _with_joins(body, find_joins(of_lines, [region.type for region in body], measures))
    end = max((place + 1 for place, region in enumerate(body) if region.type is not RegionType.FOOTNOTE), default=0)
    body[end:end] = [
        *(_text_region(RegionType.MARGINALIA, note.lines) for note in notes),
        *(_text_region(RegionType.VERTICAL, group) for group in vertical),
    ]
    return [
        *(_text_region(kind, [line]) for kind, line in margins.above),
        *body,
        *(_text_region(kind, [line]) for kind, line in margins.below),
    ]


def _clamped(line: OcrLine, width: int, height: int) -> OcrLine:
    """Return a line without what is outside of a page of that size."""
    if all(_is_inside(box, width, height) for box in (line.bbox, *(word.bbox for word in line.words))):
        return replace(
            line,
            polygon=line.polygon and points_inside(line.polygon, width, height),
            baseline=line.baseline and points_inside(line.baseline, width, height),
        )
    return replace(
        line,
        bbox=line.bbox.clamped(width, height),
        words=tuple(replace(word, bbox=word.bbox.nearest(width, height)) for word in line.words),
        polygon=line.polygon and points_inside(line.polygon, width, height),
        baseline=line.baseline and points_inside(line.baseline, width, height),
    )


def _is_inside(box: Box, width: int, height: int) -> bool:
    return 0 <= box.x < box.right <= width and 0 <= box.y < box.bottom <= height


def _upright(rules: Rules, areas: Sequence[Picture], skew: float) -> list[Box]:
    """Return the upright rules that are not in a picture or a table, on the straightened page."""
    free = [rule for rule in rules.upright if not any(_is_within(rule, area.bbox) for area in areas)]
    return [placed.bbox for placed in straightened([Picture(rule, fill=1) for rule in free], skew)]


def _is_within(box: Box, other: Box) -> bool:
    """Return whether most of a box is within another."""
    width = min(box.right, other.right) - max(box.x, other.x)
    height = min(box.bottom, other.bottom) - max(box.y, other.y)
    return width > 0 and height > 0 and 2 * width * height > box.width * box.height


def _body(columns: Sequence[Sequence[_Part]], tables: Mapping[Picture, Table]) -> list[Region]:
    kinds = note_types([[part.lines for part in column if isinstance(part, Paragraph)] for column in columns])
    regions = []
    for column, of_column in zip(columns, kinds, strict=True):
        types = iter(of_column)
        for part in column:
            if isinstance(part, Picture) and part in tables:
                regions.append(_table_region(tables[part]))
            elif isinstance(part, Picture):
                regions.append(Region(RegionType.IMAGE, part.bbox, "", round(part.fill, 4)))
            else:
                kind = next(types)
                is_verse = part.is_verse and kind is RegionType.BODY
                regions.append(_text_region(RegionType.VERSE if is_verse else kind, part.lines))
    return regions


def _parts_of(column: Sequence[Item], measures: Measures) -> Iterator[_Part]:
    """Yield the pictures and the paragraphs of a column, downwards."""
    run: list[Placed[OcrLine]] = []
    for placed in column:
        if isinstance(placed.item, OcrLine):
            run.append(Placed(placed.item, placed.bbox, placed.words))
            continue
        yield from paragraphs_of(run, measures)
        run = []
        yield placed.item
    yield from paragraphs_of(run, measures)


def _text_region(kind: RegionType, rows: Sequence[Placed[OcrLine]]) -> Region:
    lines = tuple(row.item for row in rows)
    whole = joined_line(lines)
    return Region(kind, whole.bbox, "\n".join(line.text for line in lines), round(whole.confidence, 4), lines)


def _table_region(table: Table) -> Region:
    confidence = round(joined_line(table.lines).confidence, 4)
    return Region(RegionType.TABLE, table.bbox, table_text(table.rows), confidence, table.lines, table.rows)


def _with_joins(regions: Sequence[Region], joins: Joins) -> list[Region]:
    return [
        replace(
            region,
            goes_on=place in joins.goes_on,
            comes_from=place in joins.goes_on.values(),
            open_start=place == joins.open_start,
            open_end=place == joins.open_end,
        )
        for place, region in enumerate(regions)
    ]


def _with_caption(
    regions: list[Region], picture: Box, measures: Measures, *, is_table: bool = False
) -> list[Region]:
    """Return the regions, with the nearest short text below the picture, or else above it, as its caption.

    Short text beside a table is a caption only if it begins like one: headings and last lines of paragraphs are
    there too.
    """
    near = [region for region in regions if _may_be_caption(region, picture, measures, is_table=is_table)]
    if not near:
        return regions
    caption = min(near, key=lambda region: (region.bbox.centre_y < picture.centre_y, _gap(region.bbox, picture)))
    return [replace(region, type=RegionType.CAPTION) if region is caption else region for region in regions]


def _may_be_caption(region: Region, picture: Box, measures: Measures, *, is_table: bool) -> bool:
    box = region.bbox
    return (
        region.type in {RegionType.BODY, RegionType.FOOTNOTE}
        and len(region.text) <= _LONGEST_CAPTION
        and box.height <= _TALLEST_CAPTION * len(region.lines) * measures.line_height
        and not picture.y < box.centre_y < picture.bottom
        and (not is_table or _OF_TABLE.match(region.text) is not None)
        and _gap(box, picture) <= _CAPTION_DISTANCE * measures.line_height
        and abs(box.centre_x - picture.centre_x) <= _OFF_CENTRE * picture.width
        and (box.y >= picture.bottom or box.width <= _WIDEST_ABOVE * picture.width)
    )


def _gap(one: Box, other: Box) -> int:
    """Return the free height between two boxes, in pixels; negative if they overlap."""
    return max(one.y - other.bottom, other.y - one.bottom)
