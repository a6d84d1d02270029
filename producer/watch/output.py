"""The texts of the view: what it shows of a stage and of a worker, as lines of at most a given width.

The symbols alone distinguish all states of a page, without colour. Text from outside (titles, errors, names of
workers) passes through `printable`: a terminal obeys nothing in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from checkpointing.errors import in_one_line
from checkpointing.money import dollars
from checkpointing.plurals import counted
from producer.page_ranges import show_pages
from producer.terminal.progress import clock
from producer.watch.snapshot import PageState, Snapshot, StageSnapshot, Task, Worker, Workers

# In the order of the legend.
STATE_STYLES = {
    PageState.COMPLETE: "green",
    PageState.IN_FLIGHT: "bold cyan",
    PageState.WAITING: "yellow",
    PageState.QUARANTINED: "bold red",
    PageState.NOT_QUEUED: "dim",
}
STATUS_STYLES = {
    "completed": "green",
    "partial": "green",
    "failed": "red",
    "unreadable": "red",
    "paused": "bold red",
}
PROBLEM = "bold red"
TITLE = "bold"
SECONDARY = "dim"

NO_WORKER = "No worker answers. Start one: producer worker"
_MAX_CHARACTERS = 400
_MAX_PAGE_RANGES = 4
_MAX_BAR_COLUMNS, _MIN_BAR_COLUMNS = 40, 4
_MAX_NAME_COLUMNS = 24
_GAP = "  "
# From this width on, the cost fits into the first line of a stage.
_WIDE = 80
_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Symbols:
    """Symbols for the states of a page, the full and empty parts of a progress bar, and a text that was cut."""

    pages: Mapping[PageState, str]
    full: str
    empty: str
    ellipsis: str


def _pages(symbols: str) -> dict[PageState, str]:
    return dict(zip(PageState, symbols, strict=True))


# In the order of PageState: complete, not queued, waiting, in flight, quarantined.
UNICODE = Symbols(_pages("■-·▸✗"), "━", "─", "…")
ASCII = Symbols(_pages("#-.>X"), "=", "-", "...")


def printable(text: str) -> str:
    """Return the printable characters of a text on one line, with the spaces at its ends."""
    start = " " * (len(text) - len(text.lstrip(" ")))
    end = " " * (len(text) - len(text.rstrip(" "))) if text.strip() else ""
    return f"{start}{in_one_line(text, most=_MAX_CHARACTERS)}{end}"


def in_flight_and_waiting(stage: StageSnapshot) -> str:
    """Return the pages in flight and the number of waiting pages; empty if there are none."""
    parts = []
    if stage.in_flight:
        pages = show_pages(list(stage.in_flight), most=_MAX_PAGE_RANGES)
        parts.append(f"{len(stage.in_flight)} in flight: {pages}")
    if stage.waiting:
        parts.append(f"{stage.waiting} waiting")
    return "; ".join(parts)


def problems(stage: StageSnapshot) -> list[str]:
    """Return one line each for what the stage waits for, its error, its quarantined and its doubtful pages."""
    lines = []
    if stage.waits_for and stage.under_way:
        lines.append(f"waits: {stage.waits_for}")
    if stage.error and stage.status in {"paused", "unreadable"}:
        lines.append(f"{stage.status}: {stage.error}")
    if stage.quarantined:
        lines.append(f"{stage.quarantined} quarantined, most recently {stage.last_failure}")
    return [*lines, *stage.doubts]


def plain_line(stage: StageSnapshot) -> str:
    """Return one line about a stage, for a log."""
    in_flight = f"{len(stage.in_flight)} in flight" if stage.in_flight else ""
    parts = [stage.summary, _status(stage), *_rate_and_eta(stage), _cost(stage), in_flight]
    return f"{stage.ref}: {_GAP.join(filter(None, parts))}"


def _status(stage: StageSnapshot) -> str:
    """Return the status of a stage that is not under way; else an empty text."""
    return "" if stage.under_way else stage.status.replace("_", " ")


def _rate_and_eta(stage: StageSnapshot) -> list[str]:
    if not (stage.under_way and stage.pages_per_second):
        return []
    rate = f"{stage.pages_per_second:.2f} pages/s"
    return [rate, f"ETA {clock(stage.eta_seconds)}"] if stage.eta_seconds else [rate]


def _cost(stage: StageSnapshot) -> str:
    spent = dollars(stage.cost_usd)
    return spent if stage.expected_usd is None else f"{spent} of about {dollars(stage.expected_usd)}"


@dataclass(frozen=True, slots=True)
class Canvas:
    """The space that lines are made for: its width in columns, and the symbols it can show."""

    width: int
    symbols: Symbols

    def line(self, text: str = "", style: str = "") -> "Line":
        """Return a line that begins with a text."""
        return Line(self.width, self.symbols).add(text, style)


@dataclass(slots=True)
class Line:
    """A line that is built piece by piece and is never wider than its width."""

    width: int
    symbols: Symbols
    text: Text = field(default_factory=lambda: Text(no_wrap=True, overflow="crop"))

    @property
    def columns_left(self) -> int:
        """Number of free columns."""
        return self.width - self.text.cell_len

    def fits(self, text: str) -> bool:
        """Return whether a text has room."""
        return cell_len(printable(text)) <= self.columns_left

    def add(self, text: str, style: str = "") -> "Line":
        """Append a text from anywhere, cut to the free columns."""
        return self.add_symbols(printable(text), style)

    def add_symbols(self, symbols: str, style: str = "") -> "Line":
        """Append symbols of the view itself, cut to the free columns."""
        if cell_len(symbols) > self.columns_left:
            mark = self.symbols.ellipsis
            room = self.columns_left - cell_len(mark)
            symbols = set_cell_size(symbols, room) + mark if room > 0 else set_cell_size(symbols, self.columns_left)
        self.text.append(symbols, style)
        return self


def stage_title(stage: StageSnapshot, canvas: Canvas) -> Text:
    """Return the line above the stages of a scan: its id, title and number of pages."""
    line = canvas.line(stage.scan_id, TITLE)
    pages = f"{_GAP}{counted(stage.total_pages, 'page')}"
    if stage.title and stage.title != stage.scan_id:
        title = Canvas(max(0, line.columns_left - len(pages)), canvas.symbols).line(f"{_GAP}{stage.title}")
        line.add(title.text.plain)
    return line.add(pages, SECONDARY).text


class ProgressLines:
    """Makes one line of progress for each of the stages, with the bars aligned."""

    def __init__(self, stages: Sequence[StageSnapshot], canvas: Canvas) -> None:
        self._canvas = canvas
        self._name_columns = max((len(stage.stage) for stage in stages), default=0)
        used = max((self._columns_without_bar(stage) for stage in stages), default=0)
        self._bar_columns = min(canvas.width - used, _MAX_BAR_COLUMNS)

    def line(self, stage: StageSnapshot) -> Text:
        """Return bar, pages, rate, remaining time and cost of a stage; what has no room is left out."""
        line = self._canvas.line(f"{stage.stage:<{self._name_columns}}{_GAP}", TITLE)
        if self._bar_columns >= _MIN_BAR_COLUMNS:
            self._add_bar(line, stage)
        for piece, style in self._pieces(stage):
            if line.fits(piece):
                line.add(piece, style)
            if line.fits(_GAP):
                line.add_symbols(_GAP)
        return line.text

    def _columns_without_bar(self, stage: StageSnapshot) -> int:
        pieces = self._pieces(stage)
        return self._name_columns + len(_GAP) + len(" ") + sum(len(piece) + len(_GAP) for piece, _ in pieces)

    def _pieces(self, stage: StageSnapshot) -> list[tuple[str, str]]:
        pieces = [(f"{stage.completed}/{counted(stage.total_pages, 'page')}", "")]
        if status := _status(stage):
            pieces.append((status, STATUS_STYLES.get(stage.status, SECONDARY)))
        pieces += [(piece, "") for piece in _rate_and_eta(stage)]
        if not (stage.under_way and self._canvas.width < _WIDE):
            pieces.append((_cost(stage), ""))
        return pieces

    def _add_bar(self, line: Line, stage: StageSnapshot) -> None:
        full = self._bar_columns * stage.completed // stage.total_pages if stage.total_pages else 0
        # Rounding down never shows an incomplete book as a full bar; one complete page is never an empty bar.
        full = max(full, 1) if stage.completed else full
        symbols = self._canvas.symbols
        line.add_symbols(symbols.full * full, STATE_STYLES[PageState.COMPLETE])
        line.add_symbols(symbols.empty * (self._bar_columns - full), SECONDARY)
        line.add_symbols(" ")


def in_flight_line(stage: StageSnapshot, pages_per_cell: int, canvas: Canvas) -> Text:
    """Return pages in flight and waiting, the cost if it has no room above, and the scale of the grid."""
    parts = [in_flight_and_waiting(stage)]
    if canvas.width < _WIDE:
        parts.append(_cost(stage))
    if pages_per_cell > 1:
        parts.append(f"{pages_per_cell} pages per cell")
    return canvas.line(f"{_GAP}{'; '.join(filter(None, parts))}").text


def problem_lines(stage: StageSnapshot, canvas: Canvas) -> list[Text]:
    """Return the problems of a stage, one line each."""
    return [canvas.line(f"{_GAP}{problem}", PROBLEM).text for problem in problems(stage)]


def workers_line(snapshot: Snapshot, canvas: Canvas) -> Text:
    """Return one line about Redis and the number of workers."""
    if snapshot.redis_problem:
        unknown = "pages in flight and workers are unknown"
        return canvas.line(f"Redis does not answer ({snapshot.redis_problem}); {unknown}", PROBLEM).text
    if not snapshot.workers.asked:
        return canvas.line("Workers: waiting for their answers", SECONDARY).text
    if not snapshot.workers.alive:
        return canvas.line(NO_WORKER, PROBLEM).text
    return canvas.line("Workers", TITLE).add(f"{_GAP}{_numbers(snapshot.workers)}").text


def _numbers(workers: Workers) -> str:
    parts = [f"{workers.alive} alive"]
    if workers.slots:
        parts.append(f"up to {counted(workers.slots, 'page')} at once")
    if (silent := workers.alive - len(workers.answering)) > 0:
        parts.append(f"{silent} not answering right now")
    return ", ".join(parts)


def worker_line(worker: Worker, at: float, canvas: Canvas) -> Text:
    """Return one line about a worker: its pages in flight at a time in seconds since the epoch, oldest first."""
    name_columns = min(_MAX_NAME_COLUMNS, max(canvas.width // 3, 1))
    name = Canvas(name_columns, canvas.symbols).line(worker.name).text.plain
    line = canvas.line(f"{_GAP}{name}", TITLE)
    if not worker.tasks:
        return line.add(f"{_GAP}idle", SECONDARY).text
    tasks = sorted(worker.tasks, key=lambda task: (task.ref, task.since, task.page))
    for ref, group in groupby(tasks, key=lambda task: task.ref):
        line.add(f"{_GAP}{ref}: {', '.join(_page_and_time(task, at) for task in group)}")
    return line.text


def _page_and_time(task: Task, at: float) -> str:
    if not task.since:
        return f"page {task.page}"
    # The clocks of two machines may differ a little.
    seconds = max(0.0, at - task.since)
    return f"page {task.page} for {f'{seconds:.0f} s' if seconds < _MINUTE else clock(seconds)}"
