"""Splits the lines and pictures of a page into columns, in reading order.

A recursive cut in the manner of the X-Y cut (G. Nagy and S. Seth, "Hierarchical representation of optically
scanned documents", ICPR 1984), with two differences. The cut goes along the longest gutter, a vertical band that
nothing crosses over some height with content on both sides, and the parts above and below the gutter are cut in
their turn; so a heading over two columns ends the gutter instead of hiding it. And what may not cross a gutter are
words, not lines: engines read over a narrow gutter, and such lines are cut there.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from worker.ocr.boxes import Box, Picture
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.bands import bands_between
from worker.ocr.layout.cut_lines import cut_line, gap_around, gap_near
from worker.ocr.layout.rows import Measures
from worker.ocr.layout.straight import Placed

_STEP = 0.1
"""Width of the steps in which gutters are looked for, in line heights."""
_GUTTER_STEPS = 3
"""Minimum width of a gutter, in such steps."""
_SHORTEST_GUTTER = 2.5
"""Minimum height over which both sides of a gutter have content, in line heights."""
_NARROWEST_COLUMN = 5.0
"""Minimum width of a column, in line heights; page and verse numbers and initials are narrower."""
_LINES_READ_OVER = 10
"""Minimum number of lines along a gutter that the engine has mostly read over: spaces between words are seldom
below each other in so many lines."""
_WIDER_THAN_A_SPACE = 0.6
"""Minimum width, in line heights, of a gutter that goes on below what spans it, in a few lines only."""
_LONG = 0.4
"""Minimum length of a gutter that headings are looked for with, as a share of the longest."""
_LONG_STRETCH = 5.0
"""Minimum height in line heights above and below a line that crosses a gutter and does not end it."""
_USUAL_DISTANCE = 1.3
"""Maximum distance of such a line from the next ones, in ordinary distances."""
_LIKE_THE_GUTTER = 0.6
"""Minimum width of the space where a line is cut, as a share of the gutter's; in a heading over it, it is less."""
_TALLEST_CUT = 1.5
"""Maximum height, in line heights, of a line that is cut; a taller one is a heading over the columns."""

Item = Placed[OcrLine] | Placed[Picture]


@dataclass(frozen=True, slots=True)
class _Gutter:
    left: float
    right: float
    top: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2

    def beside(self, items: Iterable[Item]) -> list[Item]:
        """Return the items between its top and its bottom."""
        return [item for item in items if self.top < item.bbox.centre_y < self.bottom]


def split_columns(items: Sequence[Item], measures: Measures) -> list[list[Item]]:
    """Group items into columns in reading order: left before right, items that span the columns in their place.

    The items of each column are ordered by their middles, downwards. Lines over a gutter are cut in two.
    """
    return _split(items, measures, ())


def _split(items: Sequence[Item], measures: Measures, known: tuple[_Gutter, ...]) -> list[list[Item]]:
    gutters = _gutters(items, measures, known)
    if not gutters:
        return [sorted(items, key=lambda item: item.bbox.centre_y)] if items else []
    bands = list(bands_between(items, [gutter.middle for gutter in gutters], measures))
    if len(bands) > 1:
        known = (*known, *gutters)
        return [column for band in bands for column in _split(band, measures, known)]
    gutter = gutters[-1]
    parts: dict[str, list[Item]] = {"above": [], "left": [], "right": [], "below": []}
    for item in items:
        if item.bbox.centre_y <= gutter.top:
            parts["above"].append(item)
        elif item.bbox.centre_y >= gutter.bottom:
            parts["below"].append(item)
        else:
            for piece in cut_line(item, gutter.middle):
                parts["left" if piece.bbox.centre_x < gutter.middle else "right"].append(piece)
    known = (*known, gutter)
    return [column for part in parts.values() for column in _split(part, measures, known)]


def _gutters(items: Sequence[Item], measures: Measures, known: Sequence[_Gutter]) -> list[_Gutter]:
    """Return the long gutters, the longest last; short ones are also beside the ends of paragraphs."""
    bands = sorted(_empty_bands(items, measures), key=_height)
    found: list[tuple[float, _Gutter]] = []
    longest = 0.0
    for possible, band in reversed(bands):
        if possible < _LONG * longest:
            break
        gutter, height = _proven(band, items, measures, known)
        if height > 0:
            found.append((height, gutter))
            longest = max(longest, height)
    longest_of_each = map(_longest, _rivers(found, measures))
    return [gutter for height, gutter in sorted(longest_of_each, key=_height) if height >= _LONG * longest]


def _rivers(found: Iterable[tuple[float, _Gutter]], measures: Measures) -> Iterator[list[tuple[float, _Gutter]]]:
    """Yield the bands of each gutter: no column fits between one and the next."""
    least = _NARROWEST_COLUMN * measures.line_height
    river: list[tuple[float, _Gutter]] = []
    for band in sorted(found, key=lambda each: each[1].left):
        if river and band[1].left - river[-1][1].right >= least:
            yield river
            river = []
        river.append(band)
    if river:
        yield river


def _longest(river: Iterable[tuple[float, _Gutter]]) -> tuple[float, _Gutter]:
    return max(river, key=_height)


def _height(found: tuple[float, _Gutter]) -> float:
    return found[0]


def _empty_bands(items: Sequence[Item], measures: Measures) -> Iterator[tuple[float, _Gutter]]:
    """Yield each band as wide as a gutter into which no word or picture reaches, from one that does to the next.

    With each is its height in pixels, as far as there are items.
    """
    step = _STEP * measures.line_height
    ordered = sorted(items, key=lambda item: item.bbox.centre_y)
    middles = [item.bbox.centre_y for item in ordered]
    across: defaultdict[int, list[int]] = defaultdict(list)
    ends = set()
    for place, item in enumerate(ordered):
        for left, right in _extents(item):
            first, last = round(left / step), round(right / step)
            ends.add(last)
            for column in range(first, max(last, first + 1)):
                across[column].append(place)
    shortest = _SHORTEST_GUTTER * measures.line_height / 2
    for end in sorted(ends):
        crossing = sorted({place for column in range(end, end + _GUTTER_STEPS) for place in across.get(column, ())})
        left, right = end * step, (end + _GUTTER_STEPS) * step
        for top, bottom in _stretches(crossing, ordered, middles, (left + right) / 2, measures):
            height = min(bottom, middles[-1] + measures.line_height) - max(top, middles[0] - measures.line_height)
            if height > shortest:
                yield height, _Gutter(left, right, top, bottom)


def _stretches(
    crossing: Sequence[int], items: Sequence[Item], middles: Sequence[float], x: float, measures: Measures
) -> Iterator[tuple[float, float]]:
    """Yield top and bottom of each stretch between two items that cross a band, but for single lines in long ones.

    In some lines that are read over a gutter, an engine joins two words or has the place of one wrong.
    """
    long = _LONG_STRETCH * measures.line_height
    top, before = float("-inf"), middles[0]
    for each, following in zip_longest(crossing, crossing[1:]):
        y = middles[each]
        below = middles[-1] if following is None else middles[following]
        if y - before <= long or below - y <= long or not _is_read_over(items[each], items, x, measures):
            yield top, y
            top = y
        before = y
    yield top, float("inf")


def _is_read_over(item: Item, items: Sequence[Item], x: float, measures: Measures) -> bool:
    """Return whether a line has words on both sides of a band, and its usual distance from the next ones."""
    box = item.bbox
    if (
        min(x - box.x, box.right - x) < _NARROWEST_COLUMN * measures.line_height
        or gap_near(item, x) is None
        or box.height > _TALLEST_CUT * measures.line_height
    ):
        return False
    return all(_neighbours(item, items, measures))


def _neighbours(item: Item, items: Sequence[Item], measures: Measures) -> tuple[bool, bool]:
    """Return whether a line has a line above it and one below it at the usual distance."""
    box = item.bbox
    reach = _USUAL_DISTANCE * measures.line_distance
    steps = [
        other.bbox.centre_y - box.centre_y
        for other in items
        if other.bbox.x < box.right and box.x < other.bbox.right
    ]
    least = measures.line_distance / 2
    return any(-reach < step < -least for step in steps), any(least < step < reach for step in steps)


def _extents(item: Item) -> Iterable[tuple[float, float]]:
    """Return the left and right ends of the words of a line; those of the whole if it cannot be cut."""
    return item.words or ((item.bbox.x, item.bbox.right),)


def _proven(
    gutter: _Gutter, items: Sequence[Item], measures: Measures, known: Sequence[_Gutter]
) -> tuple[_Gutter, float]:
    """Return the longest part of a band without headings, and its height with columns on both sides; 0 for none."""
    line_height = measures.line_height
    part = _without_headings(gutter, items, measures)
    inside = part.beside(items)
    left, right, over = [], [], 0
    for item in inside:
        if (gap := gap_near(item, part.middle)) is not None:
            over += 1
            left.append(Box.from_corners(item.bbox.x, item.bbox.y, gap[0], item.bbox.bottom))
            right.append(Box.from_corners(gap[1], item.bbox.y, item.bbox.right, item.bbox.bottom))
        else:
            (left if item.bbox.centre_x < part.middle else right).append(item.bbox)
    if not left or not right:
        return part, 0.0
    one, other = Box.around(left), Box.around(right)
    height = min(one.bottom, other.bottom) - max(one.y, other.y)
    if min(one.width, other.width) < _NARROWEST_COLUMN * line_height:
        return part, 0.0
    apart = min(len(left), len(right)) - over
    is_wide = other.x - one.right >= _WIDER_THAN_A_SPACE * line_height
    if is_wide and any(each.left <= part.middle <= each.right for each in known):
        return part, height if apart + over > 1 else 0.0
    sure = apart >= 2 * over or apart + over >= _LINES_READ_OVER
    return part, height if sure and height > _SHORTEST_GUTTER * line_height else 0.0


def _without_headings(gutter: _Gutter, items: Sequence[Item], measures: Measures) -> _Gutter:
    """Return the longest part of a gutter between two headings that have a space where it would be."""
    inside = gutter.beside(items)
    gaps = {id(item): gap for item in inside if (gap := gap_around(item, gutter.middle)) is not None}
    if not gaps:
        return gutter
    lefts = [item.bbox.right for item in inside if item.bbox.right <= gutter.middle]
    rights = [item.bbox.x for item in inside if item.bbox.x >= gutter.middle]
    left = _quantile([*lefts, *(gap[0] for gap in gaps.values())], 0.8)
    right = _quantile([*rights, *(gap[1] for gap in gaps.values())], 0.2)
    width = max(right - left, gutter.right - gutter.left)
    headings = sorted(
        item.bbox.centre_y
        for item in inside
        if (gap := gaps.get(id(item)))
        and (
            gap[1] - gap[0] < _LIKE_THE_GUTTER * width
            or item.bbox.height > _TALLEST_CUT * measures.line_height
            or not any(_neighbours(item, items, measures))
        )
    )
    top, bottom = max(pairwise([gutter.top, *headings, gutter.bottom]), key=lambda ends: _rows_in(ends, inside))
    return _Gutter(gutter.left, gutter.right, top, bottom)


def _rows_in(ends: tuple[float, float], items: Sequence[Item]) -> int:
    return sum(ends[0] < item.bbox.centre_y < ends[1] for item in items)


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]
