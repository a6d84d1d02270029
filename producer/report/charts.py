"""The drawings of a report, as numbers for the templates: pages over time, cost by page, and the heat maps."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from checkpointing.money import dollars
from producer.report.model import StageReport

# Units of the drawings; the templates have the same numbers.
_WIDTH, _TIMELINE_HEIGHT, _BARS_HEIGHT = 960.0, 240.0, 140.0

_MIN_BREAK = timedelta(minutes=15)
_BREAK_WIDTH = 48.0
# With more breaks there is no room left: then none is cut out.
_MAX_BREAKS = 8
_MAX_POINTS = 240
_MAX_BARS = 240
# Share of a bar's width that stays free.
_BAR_GAP = 0.18

MIN_CONFIDENCES = (0.99, 0.97, 0.94, 0.85)
"""Minimum confidence of a page of heat level 0, 1, 2, 3."""
MAX_EDITS = (0, 2, 5, 10)
"""Maximum number of edits of a page of heat level 0, 1, 2, 3."""
HOTTEST = 4


@dataclass(frozen=True, slots=True)
class Break:
    """A period without completed pages that is cut out of the time line; drawn from `x` on."""

    x: float
    width: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Line:
    """Pages complete over time, of one stage.

    Attributes:
        points: of an SVG polyline: `x,y x,y`.
        place: index of the stage, from 0.
    """

    stage: str
    place: int
    points: str
    pages: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Pages complete over time, of all stages.

    Attributes:
        max_pages: number of pages at the upper edge.
    """

    lines: tuple[Line, ...]
    breaks: tuple[Break, ...]
    begin: datetime
    end: datetime
    max_pages: int


@dataclass(frozen=True, slots=True)
class BarPart:
    """The part of a bar that one stage cost. `place` is the index of the stage, from 0."""

    place: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class CostBars:
    """Cost by page.

    Attributes:
        pages_per_bar: number of pages whose costs a bar adds up.
        max_usd: cost at the upper edge.
    """

    parts: tuple[BarPart, ...]
    pages_per_bar: int
    max_usd: float


def timeline(stages: Sequence[StageReport]) -> Timeline | None:
    """Return pages complete over time, without long breaks; None if no page records when it was completed."""
    moments = sorted(moment for stage in stages for moment in stage.moments)
    if not moments:
        return None
    axis = _TimeAxis(moments)
    most = max(len(stage.moments) for stage in stages)
    lines = tuple(
        Line(stage.name, place, _points(stage.moments, axis, most), len(stage.moments))
        for place, stage in enumerate(stages)
        if stage.moments
    )
    return Timeline(lines, axis.breaks, moments[0], moments[-1], most)


class _TimeAxis:
    """The x coordinate of each moment that is drawn; they come in order."""

    def __init__(self, moments: Sequence[datetime]) -> None:
        gaps = [(before, after) for before, after in pairwise(moments) if after - before > _MIN_BREAK]
        gaps = gaps if len(gaps) <= _MAX_BREAKS else []
        self._starts = [moments[0], *(after for _, after in gaps)]
        ends = [*(before for before, _ in gaps), moments[-1]]
        seconds = [(end - start).total_seconds() for start, end in zip(self._starts, ends, strict=True)]
        room = _WIDTH - len(gaps) * _BREAK_WIDTH
        self._scale = room / (sum(seconds) or 1.0)
        self._offsets = [0.0]
        breaks: list[Break] = []
        for worked, (before, after) in zip(seconds, gaps, strict=False):
            x = self._offsets[-1] + worked * self._scale
            breaks.append(Break(round(x, 1), _BREAK_WIDTH, (after - before).total_seconds()))
            self._offsets.append(x + _BREAK_WIDTH)
        self.breaks = tuple(breaks)

    def x(self, moment: datetime) -> float:
        place = bisect_right(self._starts, moment) - 1
        return self._offsets[place] + (moment - self._starts[place]).total_seconds() * self._scale


def _points(moments: Sequence[datetime], axis: _TimeAxis, max_pages: int) -> str:
    """Return the line of one stage: it steps up at each completed page and is level in between."""
    each = -(-len(moments) // _MAX_POINTS)
    shown = [*range(each, len(moments), each), len(moments)]
    points = [(axis.x(moments[0]), 0)]
    for count in shown:
        x = axis.x(moments[count - 1])
        points += [(x, points[-1][1]), (x, count)]
    return " ".join(f"{x:.1f},{_TIMELINE_HEIGHT * (1 - count / max_pages):.1f}" for x, count in points)


def cost_bars(stages: Sequence[StageReport], total_pages: int) -> CostBars | None:
    """Return the cost by page; None if no page has cost anything."""
    each = -(-total_pages // _MAX_BARS)
    count = -(-total_pages // each)
    costs = [[0.0] * count for _ in stages]
    for sums, stage in zip(costs, stages, strict=True):
        for page, cost in stage.page_cost_usd.items():
            if page <= total_pages:
                sums[(page - 1) // each] += cost
    most = max((sum(column) for column in zip(*costs, strict=True)), default=0.0)
    return CostBars(tuple(_bar_parts(costs, most)), each, most) if most else None


def _bar_parts(costs: Sequence[Sequence[float]], max_usd: float) -> Iterator[BarPart]:
    room = _WIDTH / len(costs[0])
    width = room * (1 - _BAR_GAP)
    for bar, column in enumerate(zip(*costs, strict=True)):
        left, top = (bar + _BAR_GAP / 2) * room, _BARS_HEIGHT
        for place, cost in enumerate(column):
            if cost:
                height = cost / max_usd * _BARS_HEIGHT
                top -= height
                yield BarPart(place, *(round(each, 2) for each in (left, top, width, height)))


def confidence_level(confidence: float) -> int:
    """Return the heat level of a page's mean OCR confidence, from 0 (high) to 4 (low)."""
    return HOTTEST - bisect_right(MIN_CONFIDENCES[::-1], confidence)


def edits_level(edits: int) -> int:
    """Return the heat level of a page's number of edits, from 0 (none) to 4."""
    return bisect_left(MAX_EDITS, edits)


def cost_level(cost_usd: float, max_usd: float) -> int:
    """Return the heat level of a page's cost: 0 for nothing, else its quarter of the highest cost of a page."""
    return min(HOTTEST, 1 + int(cost_usd / max_usd * HOTTEST)) if cost_usd and max_usd else 0


def legends(max_usd: float) -> dict[str, tuple[str, ...]]:
    """Return what the heat levels mean, from 0 to 4, by heat map; `max_usd` is the highest cost of a page."""
    percents = [f"{100 * confidence:.0f} %" for confidence in MIN_CONFIDENCES]
    edits = [
        str(low) if low == high else f"{low}-{high}"
        for low, high in zip([0, *(most + 1 for most in MAX_EDITS[:-1])], MAX_EDITS, strict=True)
    ]
    quarters = [max_usd * quarter / HOTTEST for quarter in range(1, HOTTEST)]
    return {
        "confidence": (*(f"{percent} and more" for percent in percents), f"below {percents[-1]}"),
        "edits": (*edits, f"more than {MAX_EDITS[-1]}"),
        "cost": ("nothing", *(f"below {dollars(quarter)}" for quarter in quarters), f"up to {dollars(max_usd)}"),
    }
