"""What each page cost, as bars to be drawn: one a page, or one for some pages of a long book."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from producer.report.model import StageReport

WIDTH, HEIGHT = 960.0, 140.0
"""Units of the drawing."""
_MOST_BARS = 240
_GAP = 0.18
"""Share of a bar's room that is left free."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a bar that one stage cost. `place` is that of the stage, from 0."""

    place: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bars:
    """All of the drawing.

    Attributes:
        pages_each: that share a bar; it shows what they cost together.
        most_usd: at its upper edge.
    """

    parts: tuple[Part, ...]
    pages_each: int
    most_usd: float


def bars(stages: Sequence[StageReport], total_pages: int) -> Bars | None:
    """The cost by page; None where no page has cost anything."""
    each = -(-total_pages // _MOST_BARS)
    count = -(-total_pages // each)
    costs = [[0.0] * count for _ in stages]
    for sums, stage in zip(costs, stages, strict=True):
        for page, cost in stage.page_cost_usd.items():
            if page <= total_pages:
                sums[(page - 1) // each] += cost
    most = max((sum(column) for column in zip(*costs, strict=True)), default=0.0)
    if not most:
        return None
    return Bars(tuple(_parts(costs, most)), each, most)


def _parts(costs: Sequence[Sequence[float]], most: float) -> Iterator[Part]:
    room = WIDTH / len(costs[0])
    width = room * (1 - _GAP)
    for bar, column in enumerate(zip(*costs, strict=True)):
        left, top = (bar + _GAP / 2) * room, HEIGHT
        for place, cost in enumerate(column):
            if cost:
                height = cost / most * HEIGHT
                top -= height
                yield Part(place, *(round(each, 2) for each in (left, top, width, height)))
