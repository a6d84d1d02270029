"""Finds what is in the margins of a page: running heads, page numbers, signatures, catchwords.

The margins are those of the paper, which a scan may show on the scanner's bed, or those of the text where it is
near the edges of the paper.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.ocr.boxes import Box
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.cut_lines import cut_line
from worker.ocr.layout.region_types import RegionType
from worker.ocr.layout.rows import Measures, joined, rows_of
from worker.ocr.layout.straight import Line, Placed

_MARGIN = 0.10
"""Share of the paper's height, at the top and at the bottom, that can contain a running head or a footer."""
_UPPER, _LOWER = 0.33, 0.67
"""Share of the paper's height above which a first row with a page number beside other words is a running head, and
below which a last row of nothing but a number is a page number: a scan may have broad margins."""
_LONGEST_HEADER = 70
"""Maximum number of characters of a running head with its page number."""
_TALLEST_HEADER = 1.8
"""Maximum height of a header in line heights; a taller one is a title."""
_SET_APART = 1.4
"""Minimum distance of a header from the text, in ordinary distances from line to line."""
_OWN_PIECE = 1.5
"""Minimum distance between a page number and the words of its line, in line heights."""
_INSET = 0.25
"""Minimum distance of a signature or catchword from the left side of the text, as a share of its width; the last
line of a paragraph begins at that side."""
_LOWEST = 0.75
"""They are below this share of the paper's height."""
_AT_RIGHT = 2.0
"""Maximum distance of a catchword from the right side of the text, in line heights."""

PAGE_NUMBER = re.compile(r"[\W_]*(?:\d{1,4}|[ivxlcdm]{1,8}|[IVXLCDM]{2,8})[\W_]*")
"""What a page number looks like, with what is printed around it."""
_SIGNATURE = re.compile(r"\*{0,3}[A-Z][a-z]{0,2}\s?(?:\d{1,2}|[ivj]{1,4})?[\s*.)]*|[A-Z]{2,3}\s?\d{0,2}\.?")


@dataclass(slots=True)
class Margins:
    """The lines of a page: those above the text and below it with their types, and the text."""

    above: list[tuple[RegionType, Line]] = field(default_factory=list)
    text: list[Line] = field(default_factory=list)
    below: list[tuple[RegionType, Line]] = field(default_factory=list)


def find_margins(lines: Sequence[Line], paper: Box, measures: Measures) -> Margins:
    """Tell apart what is above the text, the text, and what is below it.

    Args:
        lines: of a page, straightened.
        paper: its box on the straightened page.
        measures: of the page.
    """
    rows = rows_of(lines)
    found = Margins()
    lowest = _take_direction_line(rows, paper, measures)
    if rows and _is_above_text(rows, paper, measures):
        found.above = _typed(rows.pop(0), RegionType.HEADER, measures)
    footer = []
    if rows and _is_below_text(rows, paper, measures):
        footer = _typed(rows.pop(), RegionType.FOOTER, measures)
    # Signature and catchword are below the page number, or between the text and that.
    above_footer = _take_direction_line(rows, paper, measures) if footer and not lowest else []
    found.below = [*above_footer, *footer, *lowest]
    found.text = [line for row in rows for line in row]
    return found


def _is_above_text(rows: list[list[Line]], paper: Box, measures: Measures) -> bool:
    """Return whether the first row is in the upper margin, or has a page number at one end, unlike the second."""
    if not _stands_apart(rows, 0, measures):
        return False
    share = (_middle(rows[0]) - paper.y) / paper.height
    if share < _MARGIN:
        return True
    has_number = [_has_number_at_end(_pieces(row, measures)) for row in rows[:2]]
    return share < _UPPER and has_number == [True, False]


def _is_below_text(rows: list[list[Line]], paper: Box, measures: Measures) -> bool:
    """Return whether the last row is in the lower margin, or nothing but a page number."""
    if not _stands_apart(rows, -1, measures):
        return False
    share = (_middle(rows[-1]) - paper.y) / paper.height
    is_number = len(rows[-1]) == 1 and _is_numeral(rows[-1][0])
    return share > 1 - _MARGIN or (share > _LOWER and len(rows) > 1 and is_number)


def _has_number_at_end(pieces: Sequence[Line]) -> bool:
    return len(pieces) > 1 and (_is_numeral(pieces[0]) or _is_numeral(pieces[-1]))


def _is_numeral(piece: Line) -> bool:
    """Return whether a piece looks like a page number in figures; letters may number a chapter."""
    return PAGE_NUMBER.fullmatch(piece.item.text) is not None and any(map(str.isdigit, piece.item.text))


def _take_direction_line(rows: list[list[Line]], paper: Box, measures: Measures) -> list[tuple[RegionType, Line]]:
    """Take the last row off if it has nothing but a signature, a catchword or both, and return these."""
    is_low = rows and _middle(rows[-1]) > paper.y + _LOWEST * paper.height
    if not is_low or not _is_direction_line(rows, measures):
        return []
    last = rows.pop()
    return [(_type_below(piece, [*rows, last], measures), piece) for piece in _pieces(last, measures)]


def _middle(row: Sequence[Line]) -> float:
    return Box.around(line.bbox for line in row).centre_y


def _stands_apart(rows: list[list[Line]], index: int, measures: Measures) -> bool:
    row = joined(rows[index])
    neighbours = [_middle(other) for other in rows if other is not rows[index]]
    distance = min((abs(middle - row.bbox.centre_y) for middle in neighbours), default=float("inf"))
    return (
        len(row.item.text) <= _LONGEST_HEADER
        and row.bbox.height <= _TALLEST_HEADER * measures.line_height
        and distance >= _SET_APART * measures.line_distance
    )


def _typed(row: Sequence[Line], kind: RegionType, measures: Measures) -> list[tuple[RegionType, Line]]:
    """Return a row as a page number beside a running head or footer, in the order of print."""
    pieces = _pieces(row, measures)
    numbers = [piece for piece in (pieces[0], pieces[-1]) if PAGE_NUMBER.fullmatch(piece.item.text)]
    if not numbers:
        return [(kind, joined(row))]
    number = numbers[0]
    others = [piece for piece in pieces if piece is not number]
    whole = [(kind, joined(others))] if others else []
    mine = [(RegionType.PAGE_NUMBER, number)]
    return [*mine, *whole] if number is pieces[0] else [*whole, *mine]


def _pieces(row: Sequence[Line], measures: Measures) -> list[Line]:
    """Return the parts of a row between wide spaces, also those within the lines of the engine."""
    pieces: list[Line] = []
    for line in row:
        rest = line
        for (_, end), (start, _) in zip(line.words, line.words[1:], strict=False):
            if start - end >= _OWN_PIECE * measures.line_height:
                cut = cut_line(rest, (start + end) / 2)
                *before, rest = (
                    Placed(part.item, part.bbox, part.words) for part in cut if isinstance(part.item, OcrLine)
                )
                pieces += before
        pieces.append(rest)
    groups = [[pieces[0]]]
    for piece in pieces[1:]:
        if piece.bbox.x - groups[-1][-1].bbox.right >= _OWN_PIECE * measures.line_height:
            groups.append([])
        groups[-1].append(piece)
    return [joined(group) if len(group) > 1 else group[0] for group in groups]


def _is_direction_line(rows: Sequence[Sequence[Line]], measures: Measures) -> bool:
    """Return whether the last row has nothing but a signature, a catchword or both."""
    types = [_type_below(piece, rows, measures) for piece in _pieces(rows[-1], measures)]
    return len(rows) > 1 and RegionType.FOOTER not in types and len(set(types)) == len(types)


def _type_below(piece: Line, rows: Sequence[Sequence[Line]], measures: Measures) -> RegionType:
    """Return the type of a piece of the last row: a signature, a catchword, or else a footer."""
    text = Box.around(line.bbox for row in rows[:-1] for line in row) if rows[:-1] else piece.bbox
    is_number = PAGE_NUMBER.fullmatch(piece.item.text) is not None
    if is_number or piece.bbox.x - text.x < _INSET * text.width:
        return RegionType.FOOTER
    if abs(text.right - piece.bbox.right) <= _AT_RIGHT * measures.line_height:
        return RegionType.CATCHWORD if len(piece.item.text.split()) == 1 else RegionType.FOOTER
    return RegionType.SIGNATURE if _SIGNATURE.fullmatch(piece.item.text) else RegionType.FOOTER
