"""The request for pages of a stage, and the plan: which of these pages are complete and which remain."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from checkpointing.errors import CommandLineError, UnknownNameError
from checkpointing.manager import check_page_range
from checkpointing.outputs import Verdict
from checkpointing.page_records import DoubtfulPage, FailedPage
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from checkpointing.run_ids import new_run
from checkpointing.status import Status

if TYPE_CHECKING:
    from producer.planning.stale import Why


@dataclass(frozen=True, slots=True)
class Request:
    """Which pages of a stage are to be processed, and how.

    Attributes:
        end_page: last page, inclusive; None for the last page of the book.
        only: single pages instead of a range.
        resume: False to process complete pages again.
        release: pages to take out of quarantine, instead of a range; their attempts are counted from zero.
        allow_unpriced: whether a model without a known price may be used; its calls count as $0.
        refresh_stale: whether to process the stale pages again, and to pay for them again.
        accept_stale: whether to count the stale pages as made from the current inputs.
        run: run id in the log lines and spans of this work.

    Raises:
        CommandLineError: options contradict each other, or the range ends before it begins.
    """

    scan_id: str
    stage: str
    start_page: int = 1
    end_page: int | None = None
    only: frozenset[int] = frozenset()
    resume: bool = True
    release: frozenset[int] = frozenset()
    allow_unpriced: bool = False
    refresh_stale: bool = False
    accept_stale: bool = False
    run: str = field(default_factory=new_run, compare=False)

    def __post_init__(self) -> None:
        if self.refresh_stale and self.accept_stale:
            raise CommandLineError(
                "--refresh-stale and --accept-stale exclude each other",
                hint="the first processes stale pages again, the second keeps them; use one of them",
            )
        if self.only and (self.start_page, self.end_page) != (1, None):
            raise CommandLineError(
                "--pages excludes --start-page and --end-page", hint="leave out --start-page and --end-page"
            )
        if self.end_page is not None and self.start_page > self.end_page:
            raise CommandLineError(
                f"--start-page {self.start_page} is after --end-page {self.end_page}", hint="exchange them"
            )

    @property
    def ref(self) -> StageRef:
        """The stage and its scan."""
        return StageRef(self.scan_id, self.stage)

    def pages(self, total_pages: int) -> list[int]:
        """Return the requested pages, in order.

        Raises:
            UnknownNameError: one of them is not in the book.
        """
        if self.release or self.only:
            return check_pages(self.release or self.only, total_pages)
        end = total_pages if self.end_page is None else self.end_page
        for option, page in (("--start-page", self.start_page), ("--end-page", end)):
            if page > total_pages:
                raise UnknownNameError(f"`{option} {page}` is past the last page ({total_pages})")
        check_page_range(total_pages, self.start_page, end)
        return list(range(self.start_page, end + 1))


def check_pages(pages: frozenset[int], total_pages: int) -> list[int]:
    """Return single pages of a book, in order.

    Raises:
        UnknownNameError: one of them is not in the book.
    """
    if max(pages, default=0) > total_pages:
        raise UnknownNameError(f"there is no page {max(pages)}: the book has {counted(total_pages, 'page')}")
    return sorted(pages)


class StaleAre(StrEnum):
    """What happens to stale pages."""

    SHOWN = "shown"
    """They are listed and count as complete."""
    REFRESHED = "refreshed"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Plan:
    """Which pages of a request are complete and which remain.

    Attributes:
        wanted: the pages of the request, in order.
        completed: complete pages in the whole book.
        skipped: number of wanted pages that are complete.
        remaining: wanted pages that need work.
        enqueued: remaining pages that were added to the queue now. The others are being processed, are queued
            already, or wait for an earlier stage.
        waiting: remaining pages that wait for an earlier stage.
        requeued: wanted pages with an invalid output, and what is wrong with the output.
        quarantined: wanted pages in quarantine, which are not enqueued.
        cost_saved_usd: cost of the complete pages, which is not paid again.
        total_cost_usd: cost of the stage over all runs.
        status: of the stage, afterwards.
        doubtful: complete pages whose text is implausible, with the reasons.
        set_aside: name of an unusable checkpoint file that was replaced; None if there was none.
        stale: wanted complete pages that are not made from the current inputs, with the reasons.
        stale_are: what happens to the stale pages.
        refresh_cost_usd: known cost of the stale pages, in USD: about the cost of processing them again.
    """

    scan_id: str
    stage: str
    total_pages: int
    wanted: list[int]
    completed: int
    skipped: int
    remaining: list[int]
    requeued: dict[int, Verdict]
    quarantined: list[FailedPage]
    cost_saved_usd: float
    total_cost_usd: float
    status: Status
    set_aside: str | None = None
    stale: dict[int, Why] = field(default_factory=dict)
    stale_are: StaleAre = StaleAre.SHOWN
    refresh_cost_usd: float = 0.0
    enqueued: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    doubtful: list[DoubtfulPage] = field(default_factory=list)

    @property
    def ref(self) -> StageRef:
        """The stage and its scan."""
        return StageRef(self.scan_id, self.stage)
