"""The regions of a page as OCR read them: their lines with words, and the cells of tables."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from checkpointing.fields import ClosedModel
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.hyphens import ends_divided, is_divided
from worker.ocr.layout.region_types import RegionType
from worker.ocr.layout.table import Cell, table_text
from worker.text.control_characters import clean_text
from worker.text.fields import Name, Share, Text

if TYPE_CHECKING:
    # Commands that only read outputs do not need it.
    from worker.ocr.layout.regions import Region as FoundRegion

_DIGITS = 3
"""Of the confidence of a line or word: more would only make the files larger."""

Rectangle = Annotated[
    tuple[NonNegativeInt, NonNegativeInt, PositiveInt, PositiveInt],
    Field(description="x, y, width and height, in pixels of the page image."),
]
PixelPoint = Annotated[
    tuple[NonNegativeInt, NonNegativeInt], Field(description="x and y, in pixels of the page image.")
]


class Word(ClosedModel):
    """A word of a line. A script without spaces has one word a line."""

    # No placeholder is searched for here or in a line: a book about HTML prints `<text>`.
    text: str = Field(min_length=1, description="As printed, with its punctuation.")
    confidence: Share
    bbox: Rectangle


class TextLine(ClosedModel):
    """A printed line."""

    bbox: Rectangle
    polygon: tuple[PixelPoint, PixelPoint, PixelPoint, PixelPoint] = Field(
        description="The corners, clockwise from the top left of the line as it is read, skewed or turned."
    )
    baseline: tuple[PixelPoint, PixelPoint] | None = Field(
        default=None,
        exclude_if=lambda baseline: baseline is None,
        description="What the letters stand on, from left to right as they are read; left out if it is unknown.",
    )
    text: str = Field(min_length=1, description="As printed.")
    confidence: Share
    words: tuple[Word, ...] = Field(
        default=(),
        exclude_if=lambda words: not words,
        description="In the order of the text; left out if the engine does not give words.",
    )
    hyphenated: bool = Field(
        default=False,
        exclude_if=lambda hyphenated: not hyphenated,
        description="Whether the last word ends with a hyphen and goes on in the next line; at the end of a region "
        "with `continues_in` or `open_end`, in the region or page that follows.",
    )

    @model_validator(mode="after")
    def _words_are_those_of_the_text(self) -> Self:
        if self.words and [word.text for word in self.words] != self.text.split():
            raise ValueError("the words of a line are not those of its text")
        return self


class TableCell(ClosedModel):
    """A cell of a table."""

    bbox: Rectangle = Field(description="x, y, width and height, in pixels: between its rules, or around its text.")
    text: str = Field(description="Lines as printed, joined by a line feed; empty for an empty cell.")
    row_span: PositiveInt = Field(default=1, exclude_if=lambda rows: rows == 1, description="Rows that it covers.")
    column_span: PositiveInt = Field(
        default=1, exclude_if=lambda columns: columns == 1, description="Columns that it covers."
    )
    heading: bool = Field(
        default=False, exclude_if=lambda heading: not heading, description="Whether it is the heading of a column."
    )


class OcrRegion(ClosedModel):
    """A part of a page: a paragraph, a heading, a picture, a table."""

    id: Name = Field(description="Id of the region within its page.")
    type: RegionType
    bbox: Rectangle
    text: Text = Field(
        description="Lines as printed, joined by a line feed; of a table its rows, with tabs between the cells; "
        "empty for an image."
    )
    confidence: Share = Field(description="Mean confidence of the engine; for an image the share of dark pixels.")
    reading_order: PositiveInt = Field(description="1 for the first region.")
    lines: tuple[TextLine, ...] = Field(
        default=(),
        exclude_if=lambda lines: not lines,
        description="Of print, in the order of the text; left out for an image, and on pages of earlier versions.",
    )
    rows: tuple[tuple[TableCell, ...], ...] = Field(
        default=(),
        exclude_if=lambda rows: not rows,
        description="Of a table: the cells that begin in each row, from left to right. One that covers several "
        "rows is only in the first of them.",
    )
    continues_in: Name | None = Field(
        default=None,
        exclude_if=lambda region: region is None,
        description="Id of the region in which the paragraph goes on, in another column or beyond a picture.",
    )
    open_start: bool = Field(
        default=False,
        exclude_if=lambda is_open: not is_open,
        description="Whether it may be the rest of a paragraph of the page before, by its first line.",
    )
    open_end: bool = Field(
        default=False,
        exclude_if=lambda is_open: not is_open,
        description="Whether it may go on on the next page, by its last line. It does where the first paragraph "
        "there has `open_start`.",
    )

    @model_validator(mode="after")
    def _text_goes_with_type(self) -> Self:
        if bool(self.text.strip()) == (self.type is RegionType.IMAGE):
            raise ValueError("an image has no text, and every other region has some")
        if bool(self.rows) != (self.type is RegionType.TABLE):
            raise ValueError("a table has rows, and no other region has any")
        if self.rows and self.text != table_text(self.rows):
            raise ValueError("the text of a table is not that of its cells")
        if self.lines and not _is_text_of(self.lines, self.text, by_words=bool(self.rows)):
            raise ValueError("the text of a region is not that of its lines")
        return self


def _is_text_of(lines: Iterable[TextLine], text: str, *, by_words: bool) -> bool:
    """Return whether a text is that of lines; the lines of a cell are beside each other in that of a table."""
    joined = "\n".join(line.text for line in lines)
    return joined.split() == text.split() if by_words else joined == text


def extremes(region: OcrRegion) -> Iterator[PixelPoint]:
    """Yield the points of a region, of its lines, words and cells that are farthest right and down."""
    boxes = [region.bbox, *(cell.bbox for row in region.rows for cell in row)]
    for line in region.lines:
        yield from line.polygon
        yield from line.baseline or ()
        boxes += [line.bbox, *(word.bbox for word in line.words)]
    for x, y, width, height in boxes:
        yield x + width, y + height


def numbered(regions: "Iterable[FoundRegion]") -> tuple[OcrRegion, ...]:
    """Return the regions of a page as they are written, numbered from 1."""
    numbered_regions = list(enumerate(regions, start=1))
    rests = [(order, region) for order, region in numbered_regions if region.comes_from]
    written = []
    for order, region in numbered_regions:
        rest = next(((place, each) for place, each in rests if region.goes_on and place > order), None)
        written.append(_region(order, region, rest))
    return tuple(written)


def _region(order: int, region: "FoundRegion", rest: "tuple[int, FoundRegion] | None") -> OcrRegion:
    rows = _rows(region)
    following = rest[1].text if rest else ""
    return OcrRegion(
        id=_id(order),
        type=region.type,
        bbox=region.bbox,
        text=table_text(rows) if rows else region.text,
        confidence=region.confidence,
        reading_order=order,
        lines=_lines(region, following),
        rows=rows,
        continues_in=_id(rest[0]) if rest else None,
        open_start=region.open_start,
        open_end=region.open_end,
    )


def _id(order: int) -> str:
    return f"r{order}"


def _rows(region: "FoundRegion") -> tuple[tuple[TableCell, ...], ...]:
    return tuple(tuple(_cell(cell) for cell in row) for row in region.rows)


def _cell(cell: Cell) -> TableCell:
    return TableCell(
        bbox=cell.bbox,
        text=clean_text(cell.text),
        row_span=cell.row_span,
        column_span=cell.column_span,
        heading=cell.heading,
    )


def _lines(region: "FoundRegion", following: str) -> tuple[TextLine, ...]:
    """Return the lines of a region, which `following` goes on; none if an engine gave line breaks within a line."""
    if region.rows:
        whole = "\n".join(cell.text for row in region.rows for cell in row if cell.lines)
    else:
        whole = region.text
    texts = [clean_text(line.text) for line in region.lines]
    if clean_text(whole) != "\n".join(texts):
        return ()
    # The lines below each other in a table may be of different cells.
    divided = [False] * len(texts) if region.rows else list(map(is_divided, texts, [*texts[1:], following]))
    if divided and region.open_end:
        divided[-1] = ends_divided(texts[-1])
    return tuple(
        TextLine(
            bbox=line.bbox,
            polygon=line.outline,
            baseline=line.baseline,
            text=line.text,
            confidence=round(line.confidence, _DIGITS),
            words=_words(line),
            hyphenated=hyphenated,
        )
        for line, hyphenated in zip(region.lines, divided, strict=True)
    )


def _words(line: OcrLine) -> tuple[Word, ...]:
    """Return the words of a line; none if they are not those of its text."""
    if [clean_text(word.text) for word in line.words] != clean_text(line.text).split():
        return ()
    return tuple(
        Word(text=word.text, confidence=round(word.confidence, _DIGITS), bbox=word.bbox) for word in line.words
    )
