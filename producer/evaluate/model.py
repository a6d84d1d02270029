"""The result of an evaluation. Pages are numbered from 1, amounts are in USD."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path

from checkpointing.plurals import counted
from producer.evaluate.bootstrap import Intervals
from producer.evaluate.measure import Counts
from producer.page_ranges import show_pages


@dataclass(frozen=True, slots=True)
class PageResult:
    """One page in one stage, as read and normalised."""

    page: int
    as_read: Counts
    normalised: Counts


@dataclass(frozen=True, slots=True)
class StageCost:
    """What a stage took for the pages that were measured, as far as its checkpoint records it.

    Attributes:
        cost_usd: of these pages; None if it is not known.
        seconds: how long workers worked on them, by the clock; None if it is not known.
        timed_pages: of how many pages that is known.
        core_seconds: how much CPU time their processes took; None if it is not known.
        core_timed_pages: of how many pages that is known.
        pages_per_second: of the whole stage, by all workers together, without long breaks; None if unknown.
    """

    cost_usd: float | None = None
    seconds: float | None = None
    timed_pages: int = 0
    core_seconds: float | None = None
    core_timed_pages: int = 0
    pages_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class StageResult:
    """One stage of a book.

    Attributes:
        pages: those that were measured, in order.
        not_complete: pages whose text is known and that the stage has not read, so that they are not counted.
    """

    stage: str
    pages: tuple[PageResult, ...]
    not_complete: tuple[int, ...] = ()
    as_read_intervals: Intervals = field(default_factory=Intervals)
    normalised_intervals: Intervals = field(default_factory=Intervals)
    cost: StageCost = field(default_factory=StageCost)

    @property
    def as_read(self) -> Counts:
        """The sums over the book: its rates weigh every character and word alike (micro-average)."""
        return reduce(add, (page.as_read for page in self.pages), Counts())

    @property
    def normalised(self) -> Counts:
        """The same, normalised."""
        return reduce(add, (page.normalised for page in self.pages), Counts())


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The stages of a book, measured.

    Attributes:
        truth: the folder or file with the truth.
        stages: in pipeline order.
        without_truth: pages of the book, or of those named, whose text is not known.
        empty_truth: pages whose known text is empty.
        empty_reading: pages of which nothing was read although their text is known, by stage.
    """

    scan_id: str
    truth: Path
    stages: tuple[StageResult, ...]
    without_truth: tuple[int, ...] = ()
    empty_truth: tuple[int, ...] = ()
    empty_reading: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def notes(self) -> Iterator[str]:
        """Yield a line for each fact that the figures do not show."""
        if self.without_truth:
            yield f"{self.scan_id}: no truth for {_named(self.without_truth)}; not counted"
        if self.empty_truth:
            yield f"{self.scan_id}: the truth is empty for {_named(self.empty_truth)}; any text read is an error"
        for stage, pages in self.empty_reading.items():
            yield f"{self.scan_id}/{stage}: nothing was read on {_named(pages)}"

    def not_measured(self) -> str:
        """Return which pages with truth were not measured, by stage; empty if none."""
        return "; ".join(
            f"{stage.stage}: {_named(stage.not_complete)}" for stage in self.stages if stage.not_complete
        )


def _named(pages: tuple[int, ...]) -> str:
    """Return pages in words: `2 pages (3, 7)`."""
    return f"{counted(len(pages), 'page')} ({show_pages(list(pages))})"
