"""What somebody wants done with a stage of a book, and what that comes to."""

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
    """What somebody wants done.

    Attributes:
        scan_id: which book.
        stage: which stage of it.
        start_page: first page.
        end_page: last page, included; None for the last of the book.
        only: instead of a range, single pages.
        resume: False does every page of the range again.
        release: instead of these, pages to let out of quarantine; they get their attempts anew.
        allow_unpriced: whether a model may be asked whose price nobody knows; its calls count as nothing.
        refresh_stale: does the stale pages of the range again, and pays for them again.
        accept_stale: takes the stale pages of the range as made from what is there now.
        run: id by which log lines and spans of this work are found.

    Raises:
        CommandLineError: stale pages are both to be done again and to be kept; or both a range and single pages
            are named; or the range ends before it begins.
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
                "--refresh-stale does stale pages again, --accept-stale keeps them; give one of the two"
            )
        if self.only and (self.start_page, self.end_page) != (1, None):
            raise CommandLineError("--pages names the pages by itself; leave out --start-page and --end-page")
        if self.end_page is not None and self.start_page > self.end_page:
            raise CommandLineError(
                f"--start-page {self.start_page} is after --end-page {self.end_page}; exchange them"
            )

    @property
    def ref(self) -> StageRef:
        """The stage and scan that the request is about."""
        return StageRef(self.scan_id, self.stage)

    def pages(self, total_pages: int) -> list[int]:
        """The pages it is about, in order.

        Raises:
            UnknownNameError: one of them is not in the book.
        """
        if self.release or self.only:
            return check_pages(self.release or self.only, total_pages)
        end = total_pages if self.end_page is None else self.end_page
        check_page_range(total_pages, self.start_page, end)
        return list(range(self.start_page, end + 1))


def check_pages(pages: frozenset[int], total_pages: int) -> list[int]:
    """Return single pages of a book, in order.

    Raises:
        UnknownNameError: one of them is not in the book.
    """
    if max(pages, default=0) > total_pages:
        raise UnknownNameError(
            f"there is no page {max(pages)}: the book has {counted(total_pages, 'page')}; name pages up to that"
        )
    return sorted(pages)


class StaleAre(StrEnum):
    """What becomes of stale pages."""

    SHOWN = "shown"
    """No more than that: they count as complete."""
    REFRESHED = "refreshed"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done already and what is left, for one request.

    Attributes:
        total_pages: of the book.
        wanted: the pages of the request, in order.
        completed: complete pages in the whole book.
        skipped: wanted pages that are complete: these need no work.
        remaining: wanted pages that need work.
        enqueued: those of them that went into the queue now; the others are being worked on, wait there, or wait
            for an earlier stage.
        waiting: those that wait for an earlier stage.
        requeued: wanted pages that had an output which does not count, with why.
        quarantined: wanted pages that were given up on earlier; they are left alone.
        cost_saved_usd: what the complete pages have cost and need not cost again.
        total_cost_usd: what the stage has cost over all runs.
        status: of the stage, after this.
        doubtful: complete pages whose reading is implausible, with the reasons.
        anew: those of the remaining pages that begin their attempts anew.
        set_aside: name of a checkpoint file that could not be used and was replaced; None without one.
        attempts: those that remaining pages have used up already.
        stale: wanted pages that were complete and are not made from what is there now, with why.
        stale_are: what becomes of them.
        refresh_cost_usd: what they have cost, in USD, as far as is known: about what doing them again costs.
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
    attempts: dict[int, int] = field(default_factory=dict)
    stale: dict[int, Why] = field(default_factory=dict)
    stale_are: StaleAre = StaleAre.SHOWN
    refresh_cost_usd: float = 0.0
    enqueued: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    doubtful: list[DoubtfulPage] = field(default_factory=list)
    anew: frozenset[int] = frozenset()
