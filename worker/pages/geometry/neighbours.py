"""How the pages around a page lie, for one that does not tell itself: a plate, a table, a few lines.

Only pictures are looked at, and no outputs: so the result is the same in whatever order pages are read, on any
machine, and also when some are read again.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from worker.pages.geometry.transform import Geometry

SURE = 0.977
"""Minimum confidence of a turn that is known: that of two standard deviations."""
_FEWEST = 2
_FARTHEST = 2


class Turn(NamedTuple):
    """A turn, and where it was seen.

    Attributes:
        quarter_turns: clockwise.
        pages: that have this turn.
    """

    quarter_turns: int
    pages: tuple[int, ...]


def is_in_doubt(geometry: Geometry) -> bool:
    """Return whether a page does not tell which way up it is."""
    return geometry.confidence.rotate < SURE


def turn_of_neighbours(page: int, total_pages: int, find: Callable[[int], Geometry | None]) -> Turn | None:
    """Return the turn of the nearest pages; None if too few of them are sure of it, if they differ, or lie upright.

    Left and right pages of a book that was scanned by hand may lie in opposite ways: therefore all have to agree.

    Args:
        page: in doubt, numbered from 1.
        total_pages: of the book.
        find: returns the geometry of a page by its picture; None for a page that cannot be rendered.
    """
    sure: list[int] = []
    turns: set[int] = set()
    for neighbour in _nearest(page, total_pages):
        geometry = find(neighbour)
        if geometry is None or is_in_doubt(geometry):
            continue
        sure.append(neighbour)
        turns.add(geometry.quarter_turns)
        if turns == {0} or len(turns) > 1:
            return None
    return Turn(turns.pop(), tuple(sorted(sure))) if len(sure) >= _FEWEST else None


def _nearest(page: int, total_pages: int) -> Iterator[int]:
    for distance in range(1, _FARTHEST + 1):
        for neighbour in (page - distance, page + distance):
            if 1 <= neighbour <= total_pages:
                yield neighbour
