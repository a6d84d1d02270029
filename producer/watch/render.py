"""Render a snapshot as lines that fit a terminal of any size. Reads nothing but its arguments."""

from dataclasses import dataclass
from itertools import groupby

from rich.console import Group
from rich.text import Text

from checkpointing.plurals import counted
from producer.watch.output import (
    PROBLEM,
    SECONDARY,
    STATE_STYLES,
    Canvas,
    ProgressLines,
    Symbols,
    in_flight_line,
    problem_lines,
    stage_title,
    worker_line,
    workers_line,
)
from producer.watch.snapshot import PageState, Snapshot, StageSnapshot, scaled

_INDENT = 2
# Rows of whole tens are easier to count in.
_TENS = 10
# With more rows, a grid pushes everything else off the screen.
_MAX_ROWS = 8


def render(snapshot: Snapshot, width: int, height: int, symbols: Symbols, hint: str = "") -> Group:
    """Return a snapshot as lines for a terminal of `width` columns and `height` lines, with a hint as the last one.

    The least important lines are left out first.
    """
    return Group(*_Page(snapshot, Canvas(width, symbols), height, hint).lines())


@dataclass(slots=True)
class _Block:
    """The lines granted to one stage."""

    stage: StageSnapshot
    head: list[Text]
    problems: list[Text]
    has_in_flight_line: bool = False
    rows: int = 0


class _Page:
    """Grants the lines of the terminal in order of importance, then puts them in display order."""

    def __init__(self, snapshot: Snapshot, canvas: Canvas, height: int, hint: str) -> None:
        self._snapshot = snapshot
        self._canvas = canvas
        self._left = height
        self._hint = hint
        self._blocks: list[_Block] = []
        self._hidden = snapshot.more_stages
        self._has_legend = False

    def lines(self) -> list[Text]:
        problem = self._snapshot.storage_problem
        storage = self._grant([self._canvas.line(problem, PROBLEM).text] if problem else [])
        workers = self._grant([workers_line(self._snapshot, self._canvas)])
        self._grant_heads()
        last = self._grant(self._last_lines())
        for block in self._blocks:
            block.problems = self._grant(problem_lines(block.stage, self._canvas))
        self._grant_first_rows()
        for block in self._blocks:
            block.has_in_flight_line = block.stage.under_way and self._left > 0
            self._left -= block.has_in_flight_line
        if not self._snapshot.redis_problem:
            at = self._snapshot.at
            workers += self._grant(
                [worker_line(each, at, self._canvas) for each in self._snapshot.workers.answering]
            )
        self._grant_more_rows()
        return [*storage, *self._stage_lines(), *workers, *last]

    def _grant(self, lines: list[Text]) -> list[Text]:
        """Return as many of the lines as there is room for."""
        granted = lines[: max(self._left, 0)]
        self._left -= len(granted)
        return granted

    def _grant_heads(self) -> None:
        progress = ProgressLines(self._snapshot.stages, self._canvas)
        for _, stages in groupby(self._snapshot.stages, key=lambda stage: stage.scan_id):
            for number, stage in enumerate(stages):
                head = [] if number else [stage_title(stage, self._canvas)]
                head.append(progress.line(stage))
                # One line stays free for the number of hidden stages.
                if self._left <= len(head):
                    self._hidden += 1
                else:
                    self._blocks.append(_Block(stage, self._grant(head), []))

    def _last_lines(self) -> list[Text]:
        lines = []
        if self._hidden:
            lines.append(f"and {counted(self._hidden, 'more stage')}; a taller terminal shows more")
        if self._snapshot.other_scans:
            lines.append(self._snapshot.other_scans)
        elif not self._snapshot.stages:
            lines.append("Nothing is under way.")
        if self._hint:
            lines.append(self._hint)
        return [self._canvas.line(line, SECONDARY).text for line in lines]

    def _grant_first_rows(self) -> None:
        """Grant the legend, and one row to each stage whose pages differ in state, those under way first."""
        mixed = [block for block in self._blocks if len(set(block.stage.states)) > 1]
        for block in sorted(mixed, key=lambda block: not block.stage.under_way):
            needed = 1 if self._has_legend else 2
            if self._left < needed:
                return
            self._left -= needed
            self._has_legend = True
            block.rows = 1

    def _grant_more_rows(self) -> None:
        """Share the remaining lines among the grids, row by row."""
        growing = [block for block in self._blocks if block.rows]
        while growing and self._left > 0:
            growing = [block for block in growing if block.rows < self._rows_wanted(block.stage)]
            for block in growing[: self._left]:
                block.rows += 1
                self._left -= 1

    def _rows_wanted(self, stage: StageSnapshot) -> int:
        """Return how many rows show each page in a cell of its own, up to the maximum."""
        return min(_MAX_ROWS, -(-stage.total_pages // _cells_per_row(stage, self._canvas.width)))

    def _stage_lines(self) -> list[Text]:
        lines: list[Text] = []
        for block in self._blocks:
            rows, pages_per_cell = _grid(block.stage, block.rows, self._canvas) if block.rows else ([], 1)
            lines += [*block.head, *block.problems]
            if block.has_in_flight_line:
                lines.append(in_flight_line(block.stage, pages_per_cell, self._canvas))
            lines += rows
        return [*lines, _legend(self._canvas)] if self._has_legend else lines


def _grid(stage: StageSnapshot, max_rows: int, canvas: Canvas) -> tuple[list[Text], int]:
    """Return the grid of a stage, each row with the number of its first page, and the number of pages per cell."""
    per_row = _cells_per_row(stage, canvas.width)
    cells, pages = scaled(stage.states, per_row * max_rows)
    digits = len(str(stage.total_pages))
    rows = []
    for start in range(0, len(cells), per_row):
        line = canvas.line(f"{'':{_INDENT}}{start * pages + 1:>{digits}} ", SECONDARY)
        for state, run in groupby(cells[start : start + per_row]):
            line.add_symbols(
                canvas.symbols.pages[PageState(state)] * len(list(run)), STATE_STYLES[PageState(state)]
            )
        rows.append(line.text)
    return rows, pages


def _cells_per_row(stage: StageSnapshot, width: int) -> int:
    room = max(1, width - _INDENT - len(str(stage.total_pages)) - 1)
    return room if room < 2 * _TENS else room // _TENS * _TENS


def _legend(canvas: Canvas) -> Text:
    names = {state: state.name.lower().replace("_", " ") for state in STATE_STYLES}
    full_width = sum(len(f"x {name}  ") for name in names.values())
    gap = "  " if full_width <= canvas.width else " "
    line = canvas.line()
    for state, name in names.items():
        line.add_symbols(canvas.symbols.pages[state], STATE_STYLES[state]).add(f" {name}{gap}")
    return line.text
