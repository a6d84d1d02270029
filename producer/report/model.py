"""What a report says, before it is drawn. Amounts are in USD, times have their zone, pages count from 1."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from checkpointing.page_records import FailedPage
from producer.report.limits import MOST_VIEWS
from producer.report.text_diff import Mark
from worker.pages.scan import ScanMetadata
from worker.stages.chapters import BookStructure
from worker.stages.edits import Edit


class State(StrEnum):
    """How a page stands in a stage."""

    COMPLETE = "complete"
    SAVED = "saved"
    """Its output is there and valid, and the checkpoint does not name it: it is under way."""
    PENDING = "pending"
    QUARANTINED = "quarantined"
    DAMAGED = "damaged"
    """Its output is missing, cannot be read, or is not what was checked."""
    UNASKED = "not asked for"


@dataclass(frozen=True, slots=True)
class Calls:
    """What the ledger of a stage counts.

    Attributes:
        answered: answers that were paid for, whatever became of them.
        rejected: those of them that made no sense.
        unanswered: calls that were made, or were about to be, and never got an answer.
        at_risk_usd: the most that these may have cost.
    """

    answered: int = 0
    rejected: int = 0
    unanswered: int = 0
    at_risk_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class StageReport:
    """One stage.

    Attributes:
        status: as in the checkpoint; `unreadable` where that cannot be used.
        problem: why it failed, is paused or cannot be read; None where nothing is wrong.
        cost_usd: over all runs.
        page_cost_usd: of each page that has cost anything, as far as is known.
        seconds: that the stage worked on its pages, as far as is known.
        moments: when pages were completed, in order.
        asks_model: whether it costs money.
        doubtful: how many complete pages have an implausible reading.
        doubts: which ones and why, in words, a line for each reason.
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
class RegionReport:
    """A region of a page.

    Attributes:
        kind: what it is in the book, or on the page: `heading`, `body`, `image`.
        confidence: of the OCR engine, 0 to 1; None where it is not known, and for an image.
        before: its text as the engine read it.
        after: the same with what was changed; None where no stage has corrected it.
        review: whether somebody should look at it.
    """

    kind: str
    confidence: float | None
    before: str
    after: tuple[Mark, ...] | None
    review: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a page's output of a stage."""

    page: int
    stage: str
    words: str


@dataclass(frozen=True, slots=True)
class PageReport:
    """One page.

    Attributes:
        printed: the number printed on it; None where none is, or nobody has looked.
        states: by stage.
        confidence: of the OCR engine in the page's letters, 0 to 1; None where it is not known.
        edits: that were made; None where no stage has corrected the page.
        listed: the edits themselves, the first of them.
        cost_usd: over all stages.
        reasons: why a person should look at it; none if nobody needs to.
        cut: whether its text is longer than what is shown.
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

    @property
    def quarantined(self) -> bool:
        """Whether a stage has given it up."""
        return State.QUARANTINED in self.states.values()


@dataclass(frozen=True, slots=True)
class Pictures:
    """A page as pictures, each as a data URI.

    Attributes:
        thumbnail: for the grid; None where there is none.
        picture: to read beside the text; None where the thumbnail has to do.
        width, height: of the page as it was rendered, in pixels; for the shape.
        problem: why there are none.
    """

    thumbnail: str | None = None
    picture: str | None = None
    width: int = 3
    height: int = 4
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class BookReport:
    """All of it.

    Attributes:
        stages: those that have begun, in pipeline order.
        pages: from the first on; the grid.
        structure: chapters and printed numbers; None where the book has not been put together.
        structure_problem: why it cannot be shown.
        pictures: by page.
        made_at: when this was looked at.
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
        return self.metadata.total_pages <= MOST_VIEWS

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything wrong with any output."""
        return tuple(problem for page in self.pages for problem in page.problems)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Which pages have an implausible reading and why, in words, of all stages."""
        return tuple(f"{stage.name}: {line}" for stage in self.stages for line in stage.doubts)

    @property
    def to_review(self) -> tuple[PageReport, ...]:
        """The pages that a person should look at."""
        return tuple(page for page in self.pages if page.reasons)
