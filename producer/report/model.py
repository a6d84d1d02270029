"""The data model of a report. Amounts are in USD, times have a time zone, pages are numbered from 1."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from checkpointing.page_records import FailedPage
from producer.report.limits import MAX_VIEWS
from producer.report.text_diff import Change, Mark
from worker.pages.geometry.transform import Geometry
from worker.pages.metadata import ScanMetadata
from worker.stages.chapters import BookStructure
from worker.text.edits import Edit


class State(StrEnum):
    """The state of a page in one stage."""

    COMPLETE = "complete"
    SAVED = "saved"
    """The output is valid, but not in the checkpoint yet: it is about to be committed."""
    PENDING = "pending"
    QUARANTINED = "quarantined"
    DAMAGED = "damaged"
    """The output is missing, cannot be read, or has changed since it was checked."""
    NOT_QUEUED = "not queued"


@dataclass(frozen=True, slots=True)
class Calls:
    """Numbers of model calls, from the ledger of a stage.

    Attributes:
        answered: calls with an answer that was paid for.
        rejected: calls whose answer failed a check.
        unanswered: calls recorded without an answer: under way or lost.
        at_risk_usd: maximum cost of the unanswered calls.
    """

    answered: int = 0
    rejected: int = 0
    unanswered: int = 0
    at_risk_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class StageReport:
    """One stage.

    Attributes:
        status: as in the checkpoint; `unreadable` if that cannot be used.
        problem: why it failed, is paused or cannot be read; None if nothing is wrong.
        cost_usd: over all runs.
        page_cost_usd: known cost of each page that has cost anything.
        seconds: known processing time of all pages.
        moments: when its pages were completed, in order.
        asks_model: whether it calls a language model.
        doubtful: number of complete pages whose reading is implausible.
        doubts: which pages those are and why, one line for each reason.
    """

    name: str
    status: str
    problem: str | None
    completed: int
    total_pages: int
    quarantined: tuple[FailedPage, ...]
    cost_usd: float
    page_cost_usd: Mapping[int, float]
    seconds: float
    moments: tuple[datetime, ...]
    calls: Calls
    asks_model: bool
    doubtful: int = 0
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Boxes:
    """Where the words or lines of a region are on the page image.

    Attributes:
        unit: `words` or `lines`: what each box is of.
        numbers: of each in order: x, y, width and height in pixels, and the confidence in percent, rounded down.
    """

    unit: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CellReport:
    """A cell of a table.

    Attributes:
        marks: its text with its changes; without any as OCR read it.
        heading: whether it is the heading of a column.
        figure: whether it is a number.
    """

    marks: tuple[Mark, ...]
    row_span: int
    column_span: int
    heading: bool
    figure: bool


Rows = tuple[tuple[CellReport, ...], ...]


@dataclass(frozen=True, slots=True)
class RegionReport:
    """A region of a page.

    Attributes:
        kind: its type in the book, else on the page: `heading`, `body`, `image`.
        confidence: of the OCR engine, 0 to 1; None if unknown, and for an image.
        before: its text as OCR read it.
        after: the corrected text with its changes; None if no stage has corrected it.
        boxes: of its text as read; None if they are unknown.
        rows: of a table as OCR read it; empty for all else.
        rows_after: of a table as corrected; empty if that has other cells.
    """

    kind: str
    confidence: float | None
    before: str
    after: tuple[Mark, ...] | None
    review: bool
    boxes: Boxes | None = None
    rows: Rows = ()
    rows_after: Rows = ()

    @property
    def changed(self) -> bool:
        """Whether the corrected text is another one."""
        return any(mark.change is not Change.SAME for mark in self.after or ())


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a page's output of a stage."""

    page: int
    stage: str
    words: str


@dataclass(frozen=True, slots=True)
class PageReport:
    """One page.

    Attributes:
        printed: page number printed on it; None if it has none or no stage has looked for one.
        states: its state in each stage.
        confidence: mean confidence of the OCR engine, weighted by letters, 0 to 1; None if unknown.
        edits: number of edits; None if no stage has corrected the page.
        listed: the first of these edits.
        cost_usd: over all stages.
        reasons: why a person should review it; empty if there is no reason.
        cut: whether only part of its text is shown.
        size: width and height of the page image that was read, in pixels; None if it has not been read.
        geometry: how that image comes from the source image; None if it is the source image.
    """

    number: int
    states: Mapping[str, State]
    cost_usd: float = 0.0
    printed: str | None = None
    confidence: float | None = None
    edits: int | None = None
    listed: tuple[Edit, ...] = ()
    reasons: tuple[str, ...] = ()
    regions: tuple[RegionReport, ...] = ()
    corrected_by: str | None = None
    problems: tuple[Problem, ...] = ()
    blank: bool = False
    cut: bool = False
    size: tuple[int, int] | None = None
    geometry: Geometry | None = None

    @property
    def quarantined(self) -> bool:
        """Whether it is in quarantine in any stage."""
        return State.QUARANTINED in self.states.values()

    @property
    def longest_line(self) -> int:
        """Characters of its longest line as read."""
        return max((len(line) for region in self.regions for line in region.before.split("\n")), default=0)


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures of a page, each as a data URI.

    Attributes:
        picture: large enough to read beside the text; None if only the thumbnail is shown.
        scanned: the source image, small; None where the page was read as it was scanned.
        width, height: of the rendered page in pixels; the page view has this aspect ratio.
    """

    thumbnail: str | None = None
    picture: str | None = None
    width: int = 3
    height: int = 4
    problem: str | None = None
    scanned: str | None = None


@dataclass(frozen=True, slots=True)
class BookReport:
    """A whole report.

    Attributes:
        stages: the stages that have begun, in pipeline order.
        pages: the pages of the grid, from the first one on.
        structure: chapters and printed page numbers; None before the book has been assembled.
        structure_problem: why the structure cannot be shown.
        pictures: by page number.
        made_at: when the files were read.
    """

    metadata: ScanMetadata
    stages: tuple[StageReport, ...]
    pages: tuple[PageReport, ...]
    structure: BookStructure | None
    structure_problem: str | None
    made_at: datetime
    pictures: Mapping[int, Pictures] = field(default_factory=dict)

    @property
    def with_views(self) -> bool:
        """Whether each page has a view of its own, with its text."""
        return self.metadata.total_pages <= MAX_VIEWS

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems of all outputs."""
        return tuple(problem for page in self.pages for problem in page.problems)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Which pages of each stage have an implausible reading and why, one line for each reason."""
        return tuple(f"{stage.name}: {line}" for stage in self.stages for line in stage.doubts)

    @property
    def to_review(self) -> tuple[PageReport, ...]:
        """The pages that a person should review."""
        return tuple(page for page in self.pages if page.reasons)
