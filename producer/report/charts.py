"""The run over time: how many pages each stage had complete, as lines to be drawn. Long breaks are cut out."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from producer.report.model import StageReport

WIDTH, HEIGHT = 960.0, 240.0
"""Units of the drawing; so many of them are what a browser makes of them."""
BREAK = timedelta(minutes=15)
"""Nothing was completed for so long: a break."""
_BREAK_WIDTH = 48.0
_MOST_BREAKS = 8
"""More breaks than these would leave no room; then time runs on through all of them."""
_MOST_POINTS = 240
"""Of a line; more are not seen."""


@dataclass(frozen=True, slots=True)
class Break:
    """A stretch of time that is cut out, drawn from `x` on."""

    x: float
    width: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Line:
    """Pages complete over time, of one stage.

    Attributes:
        points: for an SVG polyline: `x,y x,y`.
        place: of the stage among those drawn, from 0.
    """

    stage: str
    place: int
    points: str
    pages: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """All of the drawing.

    Attributes:
        most: pages at its upper edge.
    """

    lines: tuple[Line, ...]
    breaks: tuple[Break, ...]
    begin: datetime
    end: datetime
    most: int


def timeline(stages: Sequence[StageReport]) -> Timeline | None:
    """The time line of a run; None where no page says when it was completed."""
    moments = sorted(moment for stage in stages for moment in stage.moments)
    if not moments:
        return None
    clock = _Clock(moments)
    most = max(len(stage.moments) for stage in stages)
    lines = tuple(
        Line(stage.name, place, _points(stage.moments, clock, most), len(stage.moments))
        for place, stage in enumerate(stages)
        if stage.moments
    )
    return Timeline(lines, clock.breaks, moments[0], moments[-1], most)


class _Clock:
    """Where a moment is drawn.

    Args:
        moments: all that are drawn, in order.
    """

    def __init__(self, moments: Sequence[datetime]) -> None:
        gaps = [(before, after) for before, after in pairwise(moments) if after - before > BREAK]
        gaps = gaps if len(gaps) <= _MOST_BREAKS else []
        self._starts = [moments[0], *(after for _, after in gaps)]
        ends = [*(before for before, _ in gaps), moments[-1]]
        seconds = [(end - start).total_seconds() for start, end in zip(self._starts, ends, strict=True)]
        room = WIDTH - len(gaps) * _BREAK_WIDTH
        self._scale = room / (sum(seconds) or 1.0)
        self._offsets = [0.0]
        breaks: list[Break] = []
        for worked, (before, after) in zip(seconds, gaps, strict=False):
            x = self._offsets[-1] + worked * self._scale
            breaks.append(Break(round(x, 1), _BREAK_WIDTH, (after - before).total_seconds()))
            self._offsets.append(x + _BREAK_WIDTH)
        self.breaks = tuple(breaks)

    def x(self, moment: datetime) -> float:
        """From 0 to `WIDTH`."""
        place = bisect_right(self._starts, moment) - 1
        return self._offsets[place] + (moment - self._starts[place]).total_seconds() * self._scale


def _points(moments: Sequence[datetime], clock: _Clock, most: int) -> str:
    """The line of one stage: at each moment one page more, and level until the next."""
    each = -(-len(moments) // _MOST_POINTS)
    shown = [*range(each, len(moments), each), len(moments)]
    points = [(clock.x(moments[0]), 0)]
    for count in shown:
        x = clock.x(moments[count - 1])
        points += [(x, points[-1][1]), (x, count)]
    return " ".join(f"{x:.1f},{HEIGHT - count * HEIGHT / most:.1f}" for x, count in points)
