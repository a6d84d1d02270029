"""The checkpoint: what is complete in one stage of one scan, what failed, and what it cost.

`completed_pages`, `progress`, `failed_pages` and `metadata.total_cost_usd` are for readers in any language; `pages`
holds the evidence for each completed page: the hash of the output that was checked, and its cost.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, NonNegativeInt, PositiveInt, computed_field, model_validator

from checkpointing.errors import InvariantError
from checkpointing.fields import MAX_PAGES, Moment, PageRange, encodable, now
from checkpointing.money import Money, add_usd
from checkpointing.page_ranges import pages_in, with_range, without_page
from checkpointing.page_records import Doubt, DoubtfulPage, FailedPage, PageRecord
from checkpointing.plurals import page_counts
from checkpointing.refs import StageRef
from checkpointing.run_ids import run_in
from checkpointing.status import Status

CHECKPOINT_VERSION = "2.0"


class Checkpoint(BaseModel):
    """The checkpoint of one stage of one scan. Its methods keep its parts consistent."""

    version: str = CHECKPOINT_VERSION
    scan_id: str
    stage: str
    output_dir: str
    status: Status = Status.NOT_STARTED
    revision: NonNegativeInt = 0
    total_pages: Annotated[int, Field(ge=0, le=MAX_PAGES)] = 0
    requested: list[PageRange] = []
    """Ranges of the pages that were asked for; the reconciler recovers these, and no others."""
    metadata: dict[str, Any] = {}
    error: str | None = None
    created_at: Moment = Field(default_factory=now)
    started_at: Moment | None = None
    updated_at: Moment = Field(default_factory=now)
    completed_at: Moment | None = None
    failed_at: Moment | None = None
    failed_pages: list[FailedPage] = []
    doubtful_pages: list[DoubtfulPage] = []
    """Complete pages whose reading is implausible, in order, with the reasons. They are not failures."""
    ledger: dict[PositiveInt, NonNegativeInt] = {}
    """What each page has cost by the stage's ledger, in micro-dollars, rejected answers included."""
    ledger_fractions: dict[PositiveInt, Annotated[Decimal, Field(ge=0, lt=1)]] = {}
    """What pages have cost beyond the whole micro-dollars in `ledger`, which older versions read."""
    attempts: dict[PositiveInt, PositiveInt] = {}
    """Failed attempts of pages that are not settled: Redis counts them, but may forget."""
    pages: dict[PositiveInt, PageRecord] = {}
    listed: Annotated[list[PositiveInt], Field(validation_alias="completed_pages", exclude=True)] = []
    """`completed_pages` of the file, while it is read. A "before" validator would see it too, but would make a dict
    of every page on the way, at twice the time and 1.5 times the memory."""

    @model_validator(mode="after")
    def _respect_the_list(self) -> Self:
        """Let `completed_pages` decide, which people and scripts edit; `pages` only adds evidence."""
        if "listed" in self.model_fields_set and self.listed != list(self.pages):
            self.pages = {page: self.pages.get(page, PageRecord()) for page in self.listed}
        self.listed = []
        in_order = sorted(self.doubtful_pages, key=lambda each: each.page)
        self.doubtful_pages = [each for each in in_order if each.page in self.pages]
        return self

    @model_validator(mode="after")
    def _check_total_cost(self) -> Self:
        cost = self.metadata.get("total_cost_usd", 0.0)
        if not isinstance(cost, int | float) or isinstance(cost, bool) or not 0 <= cost < math.inf:
            raise ValueError("metadata.total_cost_usd is not an amount in USD")
        self.metadata["total_cost_usd"] = cost
        return self

    @computed_field  # type: ignore[prop-decorator]  # mypy supports no decorated properties; see pydantic
    @property
    def completed_pages(self) -> list[int]:
        """The completed pages, in order."""
        return sorted(self.pages)

    @computed_field  # type: ignore[prop-decorator]  # see completed_pages
    @property
    def progress(self) -> dict[str, float]:
        """Counts of pages, and the percentage of the whole book."""
        completed = len(self.pages)
        percent = round(100 * completed / self.total_pages, 2) if self.total_pages else 0.0
        return {
            "completed": completed,
            "remaining": max(0, self.total_pages - completed),
            "failed": len(self.failed_pages),
            "percent": percent,
        }

    @property
    def total_cost_usd(self) -> float:
        """Return what the stage has cost over all runs, in USD. It only grows."""
        return float(self.metadata["total_cost_usd"])

    def add_cost(self, usd: float) -> None:
        """Add an amount to the total."""
        self.metadata["total_cost_usd"] = add_usd(self.total_cost_usd, usd)

    def raise_cost_to(self, usd: float) -> None:
        """Raise the total to an amount recorded elsewhere, unless it is larger already."""
        self.metadata["total_cost_usd"] = max(self.total_cost_usd, add_usd(usd))

    @property
    def earlier_cost_usd(self) -> float:
        """Return what the stage had cost before it had a ledger, in USD. It stays part of the total."""
        unless_noted = 0.0 if self.ledger else self.total_cost_usd
        return float(self.metadata.get("cost_before_ledger_usd", unless_noted))

    @earlier_cost_usd.setter
    def earlier_cost_usd(self, usd: float) -> None:
        self.metadata["cost_before_ledger_usd"] = usd

    @property
    def ref(self) -> StageRef:
        """The stage and scan that this is the checkpoint of."""
        return StageRef(self.scan_id, self.stage)

    @property
    def run(self) -> str:
        """Return the id of the run that last asked for pages of this stage; empty for none."""
        return run_in(self.metadata.get("run"))

    @run.setter
    def run(self, run: str) -> None:
        self.metadata["run"] = run

    @property
    def anew(self) -> frozenset[int]:
        """Return the pages whose attempts count from 0 when they are enqueued next: Redis may not know that yet."""
        noted = self.metadata.get("attempts_anew", ())
        pages = noted if isinstance(noted, list) else ()
        return frozenset(page for page in pages if isinstance(page, int))

    @anew.setter
    def anew(self, pages: AbstractSet[int]) -> None:
        if pages:
            self.metadata["attempts_anew"] = sorted(pages)
        else:
            self.metadata.pop("attempts_anew", None)

    def ledger_cost(self, page: int) -> Money:
        """Return what a page has cost by the ledger."""
        return Money(self.ledger.get(page, 0) + self.ledger_fractions.get(page, Decimal(0)))

    def note_ledger(self, spent: Mapping[int, Money]) -> bool:
        """Record what pages have cost by the ledger; return whether that changed anything.

        The total is the sum of that and of what was spent before there was a ledger.
        """
        news = {page: cost for page, cost in spent.items() if cost > self.ledger_cost(page)}
        if not news:
            return False
        self.earlier_cost_usd = self.earlier_cost_usd
        self.ledger = {**self.ledger, **{page: cost.rounded_down for page, cost in news.items()}}
        self.ledger_fractions = dict(self.ledger_fractions)
        for page, cost in news.items():
            self.ledger_fractions.pop(page, None)
            if fraction := cost.micro % 1:
                self.ledger_fractions[page] = fraction
        total = sum(self.ledger_fractions.values(), Decimal(sum(self.ledger.values())))
        self.raise_cost_to((Money.from_usd(self.earlier_cost_usd) + Money(total)).usd)
        return True

    def pause(self, reason: str) -> bool:
        """Pause the stage until a person has acted; return whether that changed anything."""
        if self.status is not Status.IN_PROGRESS or not self.pending():
            return False
        self.status = Status.PAUSED
        self.error = encodable(reason)
        return True

    def complete(
        self, page: int, record: PageRecord, doubts: tuple[Doubt, ...] = (), *, counts: bool = True
    ) -> bool:
        """Mark a page complete; return whether that changed anything. Safe to repeat: its cost counts once.

        Its cost is added to the total only if `counts`, which is False for a stage with a ledger.
        """
        known = self.pages.get(page)
        is_new = known is None or known.sha256 != record.sha256
        # The same bytes in the entry of an older worker, which records no doubts, stay in doubt.
        marked = (is_new or bool(doubts)) and self.doubt(page, doubts)
        if known is not None and not is_new:
            # The output was adopted before its completion arrived, which brings the cost.
            is_cost_new = known.cost_usd is None and record.cost_usd is not None
            if not is_cost_new:
                return marked
        self.pages[page] = record
        self.release({page})
        if counts:
            self.add_cost(record.cost_usd or 0.0)
        return True

    def doubt(self, page: int, reasons: tuple[Doubt, ...]) -> bool:
        """Record why the reading of a complete page is implausible; return whether that changed anything.

        Without reasons the page is no longer in doubt.
        """
        at = bisect_left(self.doubtful_pages, page, key=lambda each: each.page)
        known = self.doubtful_pages[at : at + 1]
        if not known or known[0].page != page:
            known = []
        now_known = [DoubtfulPage(page=page, reasons=reasons)] if reasons else []
        self.doubtful_pages[at : at + len(known)] = now_known
        return known != now_known

    def keep_pages(self, records: Mapping[int, PageRecord]) -> None:
        """Make exactly these pages complete, with their evidence; forget doubts about others."""
        self.pages = dict(records)
        self.doubtful_pages = [each for each in self.doubtful_pages if each.page in self.pages]

    def fail(self, failed: FailedPage) -> bool:
        """Put a page in quarantine, unless it is complete; return whether that changed anything."""
        if failed.page in self.pages or failed.page in self.quarantined():
            return False
        self.failed_pages = sorted([*self.failed_pages, failed], key=lambda each: each.page)
        self.attempts.pop(failed.page, None)
        return True

    def release(self, pages: AbstractSet[int]) -> None:
        """Release pages from quarantine, with attempts counted from 0."""
        if self.failed_pages:
            self.failed_pages = [failed for failed in self.failed_pages if failed.page not in pages]
        if self.attempts:
            self.attempts = {page: begun for page, begun in self.attempts.items() if page not in pages}
        if self.anew & pages:
            self.anew = self.anew - pages

    def forget(self, pages: AbstractSet[int]) -> None:
        """Make pages not done. Their cost stays in the total."""
        self.keep_pages({page: record for page, record in self.pages.items() if page not in pages})
        self.release(pages)

    def set_back(self, page: int) -> None:
        """Make a page not done and, unless the stage is under way, not asked for."""
        self.forget({page})
        self.anew = self.anew | {page}
        if self.status in {Status.IN_PROGRESS, Status.PAUSED}:
            return
        self.requested = without_page(self.requested, page)
        if self.status is not Status.CANCELLED:
            self.status = Status.NOT_STARTED
            self.error = self.completed_at = self.failed_at = None
            self.settle()

    def note_attempts(self, begun: dict[int, int]) -> bool:
        """Record how many attempts pages have used; return whether that changed anything.

        A count only grows, until its page is settled.
        """
        settled = self.pages.keys() | self.quarantined()
        news = {page: n for page, n in begun.items() if page not in settled and n > self.attempts.get(page, 0)}
        self.attempts = {**self.attempts, **news}
        return bool(news)

    def quarantined(self) -> set[int]:
        """Return the pages in quarantine."""
        return {failed.page for failed in self.failed_pages}

    def request(self, start: int, end: int) -> None:
        """Record that the pages from `start` to `end`, both included, were asked for."""
        self.requested = with_range(self.requested, start, end)

    def pending(self) -> list[int]:
        """Return the pages that were asked for and are neither complete nor in quarantine, in order."""
        settled = self.pages.keys() | self.quarantined()
        return [page for page in pages_in(self.requested) if page not in settled]

    def begin(self) -> None:
        """Start the stage, or let it go on."""
        self.status = Status.IN_PROGRESS
        self.started_at = self.started_at or now()
        self.error = self.failed_at = self.completed_at = None

    def settle(self) -> None:
        """Set the status of the stage, once no page that was asked for is pending."""
        if self.pending():
            return
        if self.total_pages and self.pages.keys() >= set(range(1, self.total_pages + 1)):
            self.complete_stage()
        elif self.status is Status.CANCELLED:
            return
        elif self.failed_pages:
            self.fail_stage(self.summary())
        elif self.pages:
            self.status = Status.PARTIAL

    def complete_stage(self) -> None:
        """Mark the stage completed."""
        self.status = Status.COMPLETED
        self.completed_at = self.completed_at or now()
        self.error = self.failed_at = None

    def fail_stage(self, error: str) -> None:
        """Mark the stage failed; completed pages stay complete."""
        self.status = Status.FAILED
        self.error = encodable(error)
        self.failed_at = now()

    def cancel(self) -> None:
        """Cancel what was asked for; completed pages stay complete."""
        self.requested = []
        self.metadata.pop("run", None)
        self.status = Status.CANCELLED

    def check_invariants(self) -> None:
        """Check what must hold before the checkpoint is written.

        Raises:
            InvariantError: a page is both complete and in quarantine, which is a bug in Leafmark.
        """
        both = self.pages.keys() & self.quarantined()
        if both:
            raise InvariantError(
                f"{self.scan_id}/{self.stage}: pages {sorted(both)[:5]} are both complete and quarantined",
                hint="please report this",
            )

    def summary(self) -> str:
        """Return the state for people: `443 of 447 pages complete, 12 doubtful, 4 quarantined`."""
        return page_counts(len(self.pages), self.total_pages, len(self.doubtful_pages), len(self.failed_pages))

    def start_over(self) -> None:
        """Forget what is complete and what failed. The cost stays in the total."""
        self.keep_pages({})
        self.failed_pages = []
        self.attempts = {}
        self.anew = frozenset()
        self.requested = []
        self.metadata.pop("run", None)
        self.status = Status.NOT_STARTED
        self.error = self.started_at = self.completed_at = self.failed_at = None
