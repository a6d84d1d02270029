"""Finds the gutters of a page: vertical bands that nothing crosses over some height, with columns on both sides.

All bands beside the ends of words are compared at once, in arrays. Only those that may be a gutter are looked at
one by one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.ocr.boxes import Box, Picture
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.cut_lines import gap_around, gap_near
from worker.ocr.layout.rows import Measures
from worker.ocr.layout.straight import Placed

_STEP = 0.1
"""Width of the steps in which gutters are looked for, in line heights."""
_GUTTER_STEPS = 3
"""Minimum width of a gutter, in such steps."""
_SHORTEST_GUTTER = 2.5
"""Minimum height over which both sides of a gutter have content, in line heights."""
NARROWEST_COLUMN = 5.0
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
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Gutter:
    """A vertical band between two columns, in pixels."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def middle(self) -> float:
        """X of its middle."""
        return (self.left + self.right) / 2


def find_gutters(items: Sequence[Item], measures: Measures, known: Sequence[Gutter]) -> list[Gutter]:
    """Return the long gutters between items, the longest last; short ones are also beside the ends of paragraphs.

    Args:
        items: lines and pictures of a page or a part of it, straightened.
        measures: of the page.
        known: gutters above and below; a few lines are enough to show that one goes on here.
    """
    search = _Search(sorted(items, key=lambda item: item.bbox.centre_y), measures, known)
    found: list[tuple[float, Gutter]] = []
    longest = 0.0
    for possible, band in search.bands():
        if possible < _LONG * longest:
            break
        gutter, height = search.proven(band)
        if height > 0:
            found.append((height, gutter))
            longest = max(longest, height)
    longest_of_each = (max(river, key=_height) for river in _rivers(found, measures))
    return [gutter for height, gutter in sorted(longest_of_each, key=_height) if height >= _LONG * longest]


def _rivers(found: Iterable[tuple[float, Gutter]], measures: Measures) -> Iterator[list[tuple[float, Gutter]]]:
    """Yield the bands of each gutter: no column fits between one and the next."""
    least = NARROWEST_COLUMN * measures.line_height
    river: list[tuple[float, Gutter]] = []
    for band in sorted(found, key=lambda each: each[1].left):
        if river and band[1].left - river[-1][1].right >= least:
            yield river
            river = []
        river.append(band)
    if river:
        yield river


def _height(found: tuple[float, Gutter]) -> float:
    return found[0]


class _Search:
    """Compares the bands between some items.

    Args:
        items: ordered by their middles, downwards.
        measures: of the page.
        known: gutters above and below.
    """

    def __init__(self, items: Sequence[Item], measures: Measures, known: Sequence[Gutter]) -> None:
        self._items = items
        self._line_height, self._line_distance = measures.line_height, measures.line_distance
        self._known = known
        self._have_neighbours: dict[int, tuple[bool, bool]] = {}

    @cached_property
    def _middles(self) -> Array:
        return np.array([item.bbox.centre_y for item in self._items])

    @cached_property
    def _sides(self) -> tuple[Array, Array]:
        """Left and right sides of the items."""
        boxes = [item.bbox for item in self._items]
        return np.array([box.x for box in boxes]), np.array([box.right for box in boxes])

    def bands(self) -> Iterator[tuple[float, Gutter]]:
        """Yield bands as wide as a gutter, the tallest first, each with its height in pixels.

        No word or picture reaches into one, from one that does to the next. The height is counted as far as there
        are items. Bands that are certainly no gutter are left out.
        """
        if not self._items:
            return
        step = _STEP * self._line_height
        ends, crossed = self._crossings(step)
        x = (ends + _GUTTER_STEPS / 2) * step
        band, first, last = self._stretches(crossed, x)
        edges = np.concatenate(([-np.inf], self._middles, [np.inf]))
        top, bottom = edges[first + 1], edges[last + 1]
        height = np.minimum(bottom, self._middles[-1] + self._line_height) - np.maximum(
            top, self._middles[0] - self._line_height
        )
        may_be = height > _SHORTEST_GUTTER * self._line_height / 2
        may_be &= self._may_have_columns(x, band, first, last)
        order = np.argsort(height[may_be], kind="stable")[::-1]
        left, right = ends * step, (ends + _GUTTER_STEPS) * step
        for each in np.flatnonzero(may_be)[order]:
            sides = float(left[band[each]]), float(right[band[each]])
            yield float(height[each]), Gutter(*sides, float(top[each]), float(bottom[each]))

    def _crossings(self, step: float) -> tuple[Array, Array]:
        """Return the ends of words, in steps, and for each item and each end whether the item crosses the band."""
        extents = [
            (place, round(left / step), round(right / step))
            for place, item in enumerate(self._items)
            for left, right in item.words or ((item.bbox.x, item.bbox.right),)
        ]
        places, lefts, rights = np.array(extents).T
        ends, start = np.unique(rights), lefts.min()
        width = max(rights.max(), lefts.max() + 1) - start + _GUTTER_STEPS + 1
        covered = np.zeros((len(self._items), width), np.int16)
        np.add.at(covered, (places, lefts - start), 1)
        np.add.at(covered, (places, np.maximum(rights, lefts + 1) - start), -1)
        inked = np.cumsum(covered, axis=1, dtype=np.int16) > 0
        steps = ends[:, np.newaxis] + np.arange(_GUTTER_STEPS) - start
        return ends, np.any(inked[:, np.maximum(steps, 0)], axis=2)

    def _stretches(self, crossed: Array, x: Array) -> tuple[Array, Array, Array]:
        """Return for each stretch of a band its index, and the places of the items that end it above and below.

        They are -1 and the number of items where none does. Items that cross a band end its stretches, but for
        single lines in long ones: in some lines that are read over a gutter, an engine joins two words or has the
        place of one wrong.
        """
        count, number = crossed.shape
        band, place = np.nonzero(crossed.T)
        y = self._middles[place]
        is_first = np.diff(band, prepend=-1) > 0
        is_last = np.diff(band, append=number) > 0
        above = y - np.where(is_first, self._middles[0], np.roll(y, 1))
        below = np.where(is_last, self._middles[-1], np.roll(y, -1)) - y
        long = _LONG_STRETCH * self._line_height
        ends_it = np.ones(len(band), bool)
        for each in np.flatnonzero((above > long) & (below > long)):
            ends_it[each] = not self._is_read_over(int(place[each]), float(x[band[each]]))
        every = np.arange(number)
        band = np.concatenate((band[ends_it], every, every))
        place = np.concatenate((place[ends_it], np.full(number, -1), np.full(number, count)))
        order = np.lexsort((place, band))
        band, place = band[order], place[order]
        same = band[:-1] == band[1:]
        return band[:-1][same], place[:-1][same], place[1:][same]

    def _may_have_columns(self, x: Array, band: Array, first: Array, last: Array) -> Array:
        """Return for each stretch whether enough lines are on both sides of it, or read over it."""
        left, right = self._sides
        # A line without words, or a picture, is on one side.
        starts = np.array([sum(item.words[0]) if item.words else np.inf for item in self._items])
        ends = np.array([sum(item.words[-1]) if item.words else -np.inf for item in self._items])
        at = x[:, np.newaxis]
        over = (left < at) & (at < right) & (starts < 2 * at) & (ends >= 2 * at)
        at_left = ~over & (left + right < 2 * at)
        counts = []
        for side in (at_left, ~over & ~at_left, over):
            passed = np.concatenate((np.zeros((len(x), 1), int), np.cumsum(side, axis=1)), axis=1)
            counts.append(passed[band, last] - passed[band, first + 1])
        apart, read_over = np.minimum(counts[0], counts[1]), counts[2]
        is_known = np.zeros(len(x), bool)
        for gutter in self._known:
            is_known |= (gutter.left <= x) & (x <= gutter.right)
        enough = (apart > 0) | (read_over >= _LINES_READ_OVER) | is_known[band]
        may_have: Array = enough & (apart + read_over > 0) & (last - first - 1 > 1)
        return may_have

    def _is_read_over(self, place: int, x: float) -> bool:
        """Return whether a line has words on both sides of a band, and its usual distance from the next ones."""
        item = self._items[place]
        box = item.bbox
        if (
            min(x - box.x, box.right - x) < NARROWEST_COLUMN * self._line_height
            or gap_near(item, x) is None
            or box.height > _TALLEST_CUT * self._line_height
        ):
            return False
        return all(self._neighbours(place))

    def _neighbours(self, place: int) -> tuple[bool, bool]:
        """Return whether a line has a line above it and one below it at the usual distance."""
        if place not in self._have_neighbours:
            box = self._items[place].bbox
            left, right = self._sides
            steps = (self._middles - box.centre_y)[(left < box.right) & (box.x < right)]
            least, reach = self._line_distance / 2, _USUAL_DISTANCE * self._line_distance
            above, below = (-reach < steps) & (steps < -least), (least < steps) & (steps < reach)
            self._have_neighbours[place] = bool(above.any()), bool(below.any())
        return self._have_neighbours[place]

    def _beside(self, gutter: Gutter) -> range:
        """Return the places of the items between top and bottom of a gutter."""
        first = int(np.searchsorted(self._middles, gutter.top, side="right"))
        return range(first, int(np.searchsorted(self._middles, gutter.bottom)))

    def proven(self, band: Gutter) -> tuple[Gutter, float]:
        """Return the longest part of a band without headings, and its height between two columns; 0 for none."""
        line_height = self._line_height
        part = self._without_headings(band)
        left, right, over = [], [], 0
        for item in (self._items[place] for place in self._beside(part)):
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
        if min(one.width, other.width) < NARROWEST_COLUMN * line_height:
            return part, 0.0
        apart = min(len(left), len(right)) - over
        is_wide = other.x - one.right >= _WIDER_THAN_A_SPACE * line_height
        if is_wide and any(each.left <= part.middle <= each.right for each in self._known):
            return part, height if apart + over > 1 else 0.0
        sure = apart >= 2 * over or apart + over >= _LINES_READ_OVER
        return part, height if sure and height > _SHORTEST_GUTTER * line_height else 0.0

    def _without_headings(self, gutter: Gutter) -> Gutter:
        """Return the longest part of a gutter between two headings that have a space where it would be."""
        inside = self._beside(gutter)
        gaps = {
            place: gap for place in inside if (gap := gap_around(self._items[place], gutter.middle)) is not None
        }
        if not gaps:
            return gutter
        boxes = [self._items[place].bbox for place in inside]
        lefts = [box.right for box in boxes if box.right <= gutter.middle]
        rights = [box.x for box in boxes if box.x >= gutter.middle]
        left = _quantile([*lefts, *(gap[0] for gap in gaps.values())], 0.8)
        right = _quantile([*rights, *(gap[1] for gap in gaps.values())], 0.2)
        width = max(right - left, gutter.right - gutter.left)
        headings = [
            self._items[place].bbox.centre_y
            for place, gap in gaps.items()
            if gap[1] - gap[0] < _LIKE_THE_GUTTER * width
            or self._items[place].bbox.height > _TALLEST_CUT * self._line_height
            or not any(self._neighbours(place))
        ]
        parts = (
            Gutter(gutter.left, gutter.right, top, bottom)
            for top, bottom in pairwise([gutter.top, *headings, gutter.bottom])
        )
        return max(parts, key=lambda part: len(self._beside(part)))


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]
