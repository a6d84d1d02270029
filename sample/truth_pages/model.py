"""The truth about a generated page: what is printed, where, in which order, and how it was laid on the scanner.

All places are pixels of the final picture, origin at its top left corner, x to the right and y downwards. They are
continuous: pixel 0 reaches from 0 to 1. `as_json` rounds them to tenths.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sample.truth_pages.geometry import Affine, Point, Polygon
from worker.ocr.boxes import Box

Move = Callable[[Polygon], Polygon]


class RegionKind(StrEnum):
    """The kind of a region."""

    RUNNING_HEAD = "running_head"
    PAGE_NUMBER = "page_number"
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    VERSE = "verse"
    TABLE = "table"
    IMAGE = "image"
    CAPTION = "caption"
    MARGINALIA = "marginalia"
    FOOTNOTE = "footnote"
    SIGNATURE = "signature"
    CATCHWORD = "catchword"
    SEPARATOR = "separator"
    """A printed rule, without text."""


@dataclass(frozen=True, slots=True)
class TrueWord:
    """A word as printed, with its punctuation.

    Its polygon goes clockwise from the top left as read; it has four corners, and more points where the page curls.
    """

    text: str
    polygon: Polygon

    @property
    def box(self) -> Box:
        """The smallest upright box around it."""
        return box_around(self.polygon)


@dataclass(frozen=True, slots=True)
class TrueLine:
    """A printed line.

    Attributes:
        words: from left to right as they are read.
        polygon: around its words, corners clockwise from the top left as read. It leaves out a drop capital, which
            reaches into the lines below and is in the polygon of its word.
        baseline: what its letters stand on, from its beginning to its end; more points where the page curls.
    """

    words: tuple[TrueWord, ...]
    polygon: Polygon
    baseline: Polygon

    @property
    def text(self) -> str:
        """Its words with single spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def box(self) -> Box:
        """The smallest upright box around it."""
        return box_around(self.polygon)

    def moved(self, move: Move) -> "TrueLine":
        """Return the line in other coordinates."""
        words = tuple(replace(word, polygon=move(word.polygon)) for word in self.words)
        return TrueLine(words, move(self.polygon), move(self.baseline))


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table, which is one of the lines of its region.

    Attributes:
        row, column: from 0.
        line: index in the lines of the region.
    """

    row: int
    column: int
    line: int


@dataclass(frozen=True, slots=True)
class TrueRegion:
    """A region of a page.

    Attributes:
        kind: what it is.
        polygon: around all of its ink; corners clockwise from the top left as read.
        lines: in reading order; empty for an image and a separator.
        leaf: 0, or 1 for what is on the right page of a spread.
        cells: of a table, row by row; there is a cell for each line.
        goes_on: whether the paragraph goes on in the next column or on the next page.
    """

    kind: RegionKind
    polygon: Polygon
    lines: tuple[TrueLine, ...] = ()
    leaf: int = 0
    cells: tuple[Cell, ...] = ()
    goes_on: bool = False

    @property
    def box(self) -> Box:
        """The smallest upright box around it."""
        return box_around(self.polygon)

    @property
    def text(self) -> str:
        """Its lines, joined by line feeds; of a table the rows, with tabs between the cells."""
        if not self.cells:
            return "\n".join(line.text for line in self.lines)
        rows: dict[int, list[str]] = {}
        for cell in self.cells:
            rows.setdefault(cell.row, []).append(self.lines[cell.line].text)
        return "\n".join("\t".join(row) for row in rows.values())

    def moved(self, move: Move) -> "TrueRegion":
        """Return the region in other coordinates."""
        return replace(self, polygon=move(self.polygon), lines=tuple(line.moved(move) for line in self.lines))


@dataclass(frozen=True, slots=True)
class Geometry:
    """How the printed sheet lies in the picture.

    Attributes:
        quarter_turns: clockwise, from 0 to 3, by which the sheet was turned after all else. To set the picture
            upright, turn it counter-clockwise by as many.
        skew_degrees: clockwise, by which lines rise less than they should, before the quarter turns.
        to_picture: from pixels of the sheet to those of the picture, without the curl.
        paper: the corners of the sheet in the picture, clockwise from the top left as read.
        gutter: of a spread, its upper and lower end in the picture; None for a single page.
        curl_pixels: by how much print is lowered at the binding; 0 for a flat page.
    """

    quarter_turns: int
    skew_degrees: float
    to_picture: Affine
    paper: Polygon
    gutter: tuple[Point, Point] | None = None
    curl_pixels: float = 0.0


@dataclass(frozen=True, slots=True)
class Truth:
    """All that is known about the picture of a page, or of a spread of two.

    Attributes:
        seed: what it was made from.
        width, height: of the picture, in pixels.
        dpi: its resolution in dots per inch.
        language: BCP 47.
        typeface: `antiqua` or `fraktur`.
        type_points: size of the type of the text, in points.
        columns: how many columns of text a page has; 0 for a plate.
        geometry: how the sheet lies in the picture.
        regions: in reading order; those of the left page of a spread come first.
    """

    seed: int
    width: int
    height: int
    dpi: int
    language: str
    typeface: str
    type_points: float
    columns: int
    geometry: Geometry
    regions: tuple[TrueRegion, ...] = field(repr=False)

    @property
    def text(self) -> str:
        """Everything printed, in reading order."""
        return text_of(self.regions)

    @property
    def lines(self) -> Iterator[TrueLine]:
        """The lines in reading order."""
        for region in self.regions:
            yield from region.lines

    def of_kind(self, *kinds: RegionKind) -> list[TrueRegion]:
        """Return the regions of some kinds, in reading order."""
        return [region for region in self.regions if region.kind in kinds]

    def leaf(self, leaf: int) -> list[TrueRegion]:
        """Return the regions of the left (0) or right (1) page of a spread; a single page is 0."""
        return [region for region in self.regions if region.leaf == leaf]

    def as_json(self) -> dict[str, Any]:
        """Return the truth in the types of JSON, places rounded to tenths of a pixel."""
        geometry = self.geometry
        return {
            "seed": self.seed,
            "width": self.width,
            "height": self.height,
            "dpi": self.dpi,
            "language": self.language,
            "typeface": self.typeface,
            "type_points": self.type_points,
            "columns": self.columns,
            "geometry": {
                "quarter_turns": geometry.quarter_turns,
                "skew_degrees": geometry.skew_degrees,
                "to_picture": geometry.to_picture.coefficients,
                "paper": _rounded(geometry.paper),
                "gutter": geometry.gutter and _rounded(geometry.gutter),
                "curl_pixels": geometry.curl_pixels,
            },
            "text": self.text,
            "regions": [_region_as_json(order, region) for order, region in enumerate(self.regions, start=1)],
        }


def text_of(regions: Iterable[TrueRegion]) -> str:
    """Return the text of regions, joined by line feeds."""
    return "\n".join(text for region in regions if (text := region.text))


def box_around(polygon: Polygon) -> Box:
    """Return the smallest upright box of whole pixels around some points."""
    left, right = min(x for x, _ in polygon), max(x for x, _ in polygon)
    top, bottom = min(y for _, y in polygon), max(y for _, y in polygon)
    return Box.from_corners(math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))


def _region_as_json(order: int, region: TrueRegion) -> dict[str, Any]:
    return {
        "kind": region.kind.value,
        "reading_order": order,
        "leaf": region.leaf,
        "bbox": region.box,
        "polygon": _rounded(region.polygon),
        "text": region.text,
        "goes_on": region.goes_on,
        "lines": [_line_as_json(line) for line in region.lines],
        "cells": [{"row": cell.row, "column": cell.column, "line": cell.line} for cell in region.cells],
    }


def _line_as_json(line: TrueLine) -> dict[str, Any]:
    return {
        "text": line.text,
        "bbox": line.box,
        "polygon": _rounded(line.polygon),
        "baseline": _rounded(line.baseline),
        "words": [{"text": word.text, "bbox": word.box, "polygon": _rounded(word.polygon)} for word in line.words],
    }


def _rounded(points: Iterable[Point]) -> list[tuple[float, float]]:
    return [(round(x, 1), round(y, 1)) for x, y in points]
