"""A sheet that is being printed: its ink, and the truth about it in pixels of the sheet."""

from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw

from sample.truth_pages.fonts import Font
from sample.truth_pages.geometry import Point, Polygon
from sample.truth_pages.model import Cell, RegionKind, TrueLine, TrueRegion, TrueWord

INK = 255
_EDGE = 1.0
"""Soft edges of letters reach that much farther than the typeface says, in pixels."""


class PrintedSheet:
    """Ink on a sheet, mode L, 0 for none to 255 for black, and the regions in the order in which they are read.

    Args:
        width, height: of the sheet, in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.ink = Image.new("L", (width, height))
        self.draw = ImageDraw.Draw(self.ink)
        self.regions: list[TrueRegion] = []
        self.leaf = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.ink.size

    def print_words(self, words: Sequence[str], font: Font, at: Point, space: float | None = None) -> TrueLine:
        """Print words on a baseline that begins `at` a point; `space` is between them, else the typeface's own."""
        x, baseline = at
        space = font.getlength(" ") if space is None else space
        printed = []
        for word in words:
            printed.append(self.print_word(word, font, (x, baseline)))
            x += font.getlength(word) + space
        return line_of(printed, baseline)

    def print_word(self, word: str, font: Font, at: Point) -> TrueWord:
        """Print a word on a baseline that begins `at` a point."""
        self.draw.text(at, word, INK, font, anchor="ls")
        left, top, right, bottom = font.getbbox(word, anchor="ls")
        x, y = at
        return TrueWord(word, upright((x + left - _EDGE, y + top - _EDGE, x + right + _EDGE, y + bottom + _EDGE)))

    def add(
        self,
        kind: RegionKind,
        lines: Sequence[TrueLine],
        *,
        around: Iterable[Polygon] = (),
        cells: Sequence[Cell] = (),
        goes_on: bool = False,
    ) -> None:
        """Add a region with lines, or around something else that was printed, at the end of the reading order."""
        parts = [*around, *(word.polygon for line in lines for word in line.words)]
        polygon = upright(bounds(parts))
        self.regions.append(TrueRegion(kind, polygon, tuple(lines), self.leaf, tuple(cells), goes_on))

    def rule(self, start: Point, end: Point, width: int) -> Polygon:
        """Print an upright or level rule and return the rectangle around it."""
        self.draw.line((*start, *end), INK, width)
        reach = width / 2 + _EDGE
        return upright((start[0] - reach, start[1] - reach, end[0] + reach, end[1] + reach))


def line_of(words: Sequence[TrueWord], baseline: float) -> TrueLine:
    """Return the line of some words, not empty, on a level baseline."""
    left, top, right, bottom = bounds([word.polygon for word in words])
    return TrueLine(tuple(words), upright((left, top, right, bottom)), ((left, baseline), (right, baseline)))


def upright(edges: tuple[float, float, float, float]) -> Polygon:
    """Return the corners of a rectangle from its left, upper, right and lower edge."""
    left, top, right, bottom = edges
    return (left, top), (right, top), (right, bottom), (left, bottom)


def bounds(polygons: Sequence[Polygon]) -> tuple[float, float, float, float]:
    """Return the left, upper, right and lower edge of the smallest rectangle around polygons, at least one."""
    xs = [x for polygon in polygons for x, _ in polygon]
    ys = [y for polygon in polygons for _, y in polygon]
    return min(xs), min(ys), max(xs), max(ys)
