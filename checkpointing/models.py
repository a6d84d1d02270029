"""The checkpoint and the records around it, as they stand in files and messages.

The checkpoint file answers "what is done?" for one stage of one scan. `completed_pages`, `progress`,
`failed_pages` and `metadata.total_cost_usd` are for readers of any language; `pages` holds the evidence for
each completed page: the hash of the output that was checked, and what it cost.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    computed_field,
    model_validator,
)

from checkpointing.errors import InvariantError, in_one_line
from checkpointing.money import Dollars, add_usd, exact_micro, usd
from checkpointing.plurals import counted
from checkpointing.run_ids import run_in

CHECKPOINT_VERSION = "2.0"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MOST_PAGES = 9_999_999
PageNumber = Annotated[int, Field(ge=1, le=MOST_PAGES)]
PageRange = tuple[PageNumber, PageNumber]
Usd = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Moment = Annotated[datetime, AfterValidator(lambda time: time if time.tzinfo else time.astimezone())]
"""A time with its zone. One without, as version 1.0 wrote them, is local time."""


def _encodable(text: str) -> str:
    """An error may name a file whose name is no Unicode; that must not keep the error from being recorded."""
    return text.encode(errors="backslashreplace").decode()


def _shown(text: str) -> str:
    """Fit to be shown: on one line, not too long, and without what a terminal would obey."""
    return in_one_line(_encodable(text))


Words = Annotated[str, AfterValidator(_shown)]


def now() -> datetime:
    """This moment, with its zone (UTC), to the millisecond."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class Status(StrEnum):
    """Where a stage of a scan stands."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    PARTIAL = "partial"
    """Every page that was asked for is complete; the book has more."""
    COMPLETED = "completed"
    FAILED = "failed"
    """It ended with pages in quarantine, or with an error. Completed pages stay complete."""
    PAUSED = "paused"
    """It waits for a person: the budget is reached, or a provider refuses. Enqueue goes on from there."""
    CANCELLED = "cancelled"
    """Somebody called it off. Completed pages stay complete, and enqueue goes on from there."""


@dataclass(frozen=True, slots=True)
class PageRecord:
    """The evidence for one completed page.

    A slotted dataclass, not a model: a book may have 100,000 of them in memory.

    Attributes:
        sha256: of the output file; None for a page of an older checkpoint that recorded none.
        schema_version: of the schema that accepted those bytes.
        cost_usd: what the page cost, in USD; None where nobody knows (an adopted output).
        seconds: how long the stage worked on it.
        attempts: how many attempts it took.
        completed_at: when its output was saved.
        worker: who saved it.
        made_from: digests of what it was made from, and of how. `producer.planning.stale` compares them.
    """

    sha256: Sha256 | None = None
    schema_version: str = ""
    cost_usd: Usd | None = None
    seconds: NonNegativeFloat | None = None
    attempts: NonNegativeInt = 0
    completed_at: AwareDatetime | None = None
    worker: str = ""
    made_from: str = ""


def cost_of(records: Iterable[PageRecord], total_usd: float) -> float:
    """What completed pages have cost, in USD, as far as is known.

    Where a page's own cost is unknown (older checkpoints kept only a total), the total stands for all.
    """
    costs = [record.cost_usd for record in records]
    known = add_usd(*(cost or 0.0 for cost in costs))
    return max(known, total_usd) if None in costs else known


class Doubt(BaseModel):
    """Why the reading of a complete page is implausible."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = Field(
        description="Stable name of the reason: `low_confidence`."
    )
    message: Words = Field(description="The reason in words, with the figures.")


Doubts = Annotated[tuple[Doubt, ...], Field(max_length=16)]


class DoubtfulPage(BaseModel):
    """A complete page that a person should look at, because its reading is implausible. It is not a failure."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    page: PageNumber
    reasons: Annotated[tuple[Doubt, ...], Field(min_length=1, max_length=16)]


class Completion(BaseModel):
    """What a worker hands over once a page's output is safe on shared storage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: PageNumber
    sha256: Sha256
    schema_version: str
    cost_usd: Usd | None = None
    seconds: NonNegativeFloat | None = None
    attempts: NonNegativeInt = 0
    completed_at: AwareDatetime = Field(default_factory=now)
    worker: str = ""
    made_from: str = ""
    ledger_micro: NonNegativeInt | None = None
    """What the page has cost by the stage's ledger, in whole micro-dollars; None for a stage that has none. The
    decimals are in `cost_usd`: older versions read whole numbers."""
    doubtful: Annotated[Doubts, Field(exclude=True)] = ()
    """Why its reading is implausible. Handed over beside the entry (`checkpointing.inbox`): an older coordinator
    refuses an entry with more fields than it knows."""

    @property
    def spent_micro(self) -> Decimal | None:
        """What the page has cost by the stage's ledger, in micro-dollars with decimals; None as above."""
        if self.ledger_micro is None:
            return None
        exact = exact_micro(Decimal(str(self.cost_usd or 0.0)))
        return exact if int(exact) == self.ledger_micro else Decimal(self.ledger_micro)

    def record(self) -> PageRecord:
        """The same as evidence for the checkpoint."""
        return PageRecord(**self.model_dump(exclude={"page", "ledger_micro"}))


class FailedPage(BaseModel):
    """A page in quarantine: given up on, with the reason, kept out of the way of the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: PageNumber
    kind: Words
    message: Words
    attempts: NonNegativeInt = 0
    worker: Words = ""
    failed_at: AwareDatetime = Field(default_factory=now)
    ledger_micro: NonNegativeInt | None = None
    """As that of a completion."""


class Pause(BaseModel):
    """What a worker hands over when a stage cannot go on until a person has done something."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: PageNumber
    reason: Words
    worker: Words = ""
    budget_usd: Dollars | None = None
    """The budget that was reached, in USD. The pause is for nothing once a larger one is in force."""


class Checkpoint(BaseModel):
    """One stage of one scan. Changed through its methods, which keep its parts consistent."""

    model_config = ConfigDict(extra="ignore", validate_assignment=False)

    version: str = CHECKPOINT_VERSION
    scan_id: str
    stage: str
    output_dir: str
    status: Status = Status.NOT_STARTED
    revision: NonNegativeInt = 0
    total_pages: Annotated[int, Field(ge=0, le=MOST_PAGES)] = 0
    requested: list[PageRange] = []
    """Inclusive ranges of the pages that somebody asked for; the reconciler heals these, and no others."""
    metadata: dict[str, Any] = {}
    error: str | None = None
    created_at: Moment = Field(default_factory=now)
    started_at: Moment | None = None
    updated_at: Moment = Field(default_factory=now)
    completed_at: Moment | None = None
    failed_at: Moment | None = None
    failed_pages: list[FailedPage] = []
    doubtful_pages: list[DoubtfulPage] = []
    """Complete pages whose reading is implausible, in order, with the reasons. None of them is a failure."""
    ledger: dict[PositiveInt, NonNegativeInt] = {}
    """What each page has cost by the stage's ledger, in micro-dollars: answers that were no use are in it."""
    ledger_fractions: dict[PositiveInt, Annotated[Decimal, Field(ge=0, lt=1)]] = {}
    """What pages have cost beyond the whole micro-dollars in `ledger`, which older versions read."""
    attempts: dict[PositiveInt, PositiveInt] = {}
    """Attempts that came to nothing, of pages that are not settled: Redis counts, but may forget."""
    pages: dict[PositiveInt, PageRecord] = {}
    listed: Annotated[list[PositiveInt], Field(validation_alias="completed_pages", exclude=True)] = []
    """`completed_pages` as it stood in the file, while that is read. A validator before the rest would see it too,
    but make a dict of every page on the way, at twice the time and half as much memory again."""

    @model_validator(mode="after")
    def _respect_the_list(self) -> Self:
        """`completed_pages` is what people and scripts edit: it decides, `pages` only adds evidence."""
        if "listed" in self.model_fields_set and self.listed != list(self.pages):
            self.pages = {page: self.pages.get(page, PageRecord()) for page in self.listed}
        self.listed = []
        in_order = sorted(self.doubtful_pages, key=lambda each: each.page)
        self.doubtful_pages = [each for each in in_order if each.page in self.pages]
        return self

    @model_validator(mode="after")
    def _always_tell_the_cost(self) -> Self:
        cost = self.metadata.get("total_cost_usd", 0.0)
        if not isinstance(cost, int | float) or isinstance(cost, bool) or not 0 <= cost < math.inf:
            raise ValueError("metadata.total_cost_usd is not an amount in USD")
        self.metadata["total_cost_usd"] = cost
        return self

    @computed_field  # type: ignore[prop-decorator]  # mypy has no decorated properties; pydantic documents this
    @property
    def completed_pages(self) -> list[int]:
        """The completed pages in order."""
        return sorted(self.pages)

    @computed_field  # type: ignore[prop-decorator]  # as above
    @property
    def progress(self) -> dict[str, float]:
        """Counts of pages, and percent of the whole book."""
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
        """What the stage has cost over all runs, in USD. Only grows."""
        return float(self.metadata["total_cost_usd"])

    def add_cost(self, usd: float) -> None:
        """Add to the total."""
        self.metadata["total_cost_usd"] = add_usd(self.total_cost_usd, usd)

    def raise_cost_to(self, usd: float) -> None:
        """Take over a total kept elsewhere, unless ours is larger already."""
        self.metadata["total_cost_usd"] = max(self.total_cost_usd, add_usd(usd))

    @property
    def earlier_cost_usd(self) -> float:
        """What the stage had cost before it had a ledger, in USD. It stays part of the total."""
        unless_noted = 0.0 if self.ledger else self.total_cost_usd
        return float(self.metadata.get("cost_before_ledger_usd", unless_noted))

    @earlier_cost_usd.setter
    def earlier_cost_usd(self, usd: float) -> None:
        self.metadata["cost_before_ledger_usd"] = usd

    @property
    def run(self) -> str:
        """The run that asked last for pages of this stage, as `checkpointing.run_ids` has it; empty for none."""
        return run_in(self.metadata.get("run"))

    @run.setter
    def run(self, run: str) -> None:
        self.metadata["run"] = run

    @property
    def anew(self) -> frozenset[int]:
        """Pages that begin their attempts anew when they are enqueued next: Redis may not know that yet."""
        noted = self.metadata.get("attempts_anew", ())
        return (
            frozenset(page for page in noted if isinstance(page, int)) if isinstance(noted, list) else frozenset()
        )

    @anew.setter
    def anew(self, pages: AbstractSet[int]) -> None:
        if pages:
            self.metadata["attempts_anew"] = sorted(pages)
        else:
            self.metadata.pop("attempts_anew", None)

    def ledger_micro(self, page: int) -> Decimal:
        """What a page has cost by the ledger, in micro-dollars."""
        return self.ledger.get(page, 0) + self.ledger_fractions.get(page, Decimal(0))

    def note_ledger(self, spent_micro: Mapping[int, Decimal | int]) -> bool:
        """Take over what pages have cost by the ledger, in micro-dollars, with their decimals.

        The total is the sum of that, and of what was spent before there was a ledger.

        Returns:
            Whether that changed anything.
        """
        news = {page: spent for page, spent in spent_micro.items() if spent > self.ledger_micro(page)}
        if not news:
            return False
        self.earlier_cost_usd = self.earlier_cost_usd
        self.ledger = {**self.ledger, **{page: int(spent) for page, spent in news.items()}}
        self.ledger_fractions = dict(self.ledger_fractions)
        for page, spent in news.items():
            self.ledger_fractions.pop(page, None)
            if fraction := Decimal(spent) % 1:
                self.ledger_fractions[page] = fraction
        total = sum(self.ledger_fractions.values(), Decimal(sum(self.ledger.values())))
        self.raise_cost_to(add_usd(self.earlier_cost_usd, usd(total)))
        return True

    def pause(self, reason: str) -> bool:
        """The stage cannot go on until a person has done something. What is complete stays complete.

        Returns:
            Whether that changed anything.
        """
        if self.status is not Status.IN_PROGRESS or not self.pending():
            return False
        self.status = Status.PAUSED
        self.error = _encodable(reason)
        return True

    def complete(
        self, page: int, record: PageRecord, doubts: tuple[Doubt, ...] = (), *, counts: bool = True
    ) -> bool:
        """Take a page as complete; its cost counts once however often it is said.

        Args:
            page: which.
            record: the evidence.
            doubts: why its reading is implausible; none where it is not.
            counts: whether its cost is added to the total; not where the ledger tells that.

        Returns:
            Whether that changed anything.
        """
        known = self.pages.get(page)
        is_new = known is None or known.sha256 != record.sha256
        # The same bytes under an older worker's entry, which knows of no doubts, stay in doubt.
        marked = (is_new or bool(doubts)) and self.doubt(page, doubts)
        if known is not None and not is_new:
            # An output that was adopted before its completion came: only now is it told what it cost.
            cost_is_news = known.cost_usd is None and record.cost_usd is not None
            if not cost_is_news:
                return marked
        self.pages[page] = record
        self.release({page})
        if counts:
            self.add_cost(record.cost_usd or 0.0)
        return True

    def doubt(self, page: int, reasons: tuple[Doubt, ...]) -> bool:
        """Record why the reading of a complete page is implausible; without reasons the page is not in doubt.

        Returns:
            Whether that changed anything.
        """
        at = bisect_left(self.doubtful_pages, page, key=lambda each: each.page)
        known = self.doubtful_pages[at : at + 1]
        if not known or known[0].page != page:
            known = []
        now_known = [DoubtfulPage(page=page, reasons=reasons)] if reasons else []
        self.doubtful_pages[at : at + len(known)] = now_known
        return known != now_known

    def keep_pages(self, records: Mapping[int, PageRecord]) -> None:
        """Take exactly these pages as complete, with their evidence; doubts about others are forgotten."""
        self.pages = dict(records)
        self.doubtful_pages = [each for each in self.doubtful_pages if each.page in self.pages]

    def fail(self, failed: FailedPage) -> bool:
        """Put a page in quarantine, unless it is complete.

        Returns:
            Whether that changed anything.
        """
        if failed.page in self.pages or failed.page in self.quarantined():
            return False
        self.failed_pages = sorted([*self.failed_pages, failed], key=lambda each: each.page)
        self.attempts.pop(failed.page, None)
        return True

    def release(self, pages: AbstractSet[int]) -> None:
        """Let pages out of quarantine, to be tried again, with their attempts anew."""
        if self.failed_pages:
            self.failed_pages = [failed for failed in self.failed_pages if failed.page not in pages]
        if self.attempts:
            self.attempts = {page: begun for page, begun in self.attempts.items() if page not in pages}
        if self.anew & pages:
            self.anew = self.anew - pages

    def forget(self, pages: AbstractSet[int]) -> None:
        """Take pages as never done. Their cost stays: money spent stays spent."""
        self.keep_pages({page: record for page, record in self.pages.items() if page not in pages})
        self.release(pages)

    def set_back(self, page: int) -> None:
        """Take a page as never done and not asked for. In a stage that is under way it is asked for as before."""
        self.forget({page})
        self.anew = self.anew | {page}
        if self.status in {Status.IN_PROGRESS, Status.PAUSED}:
            return
        self.requested = [part for run in self.requested for part in _without(run, page)]
        if self.status is not Status.CANCELLED:
            self.status = Status.NOT_STARTED
            self.error = self.completed_at = self.failed_at = None
            self.settle()

    def note_attempts(self, begun: dict[int, int]) -> bool:
        """Take over how many attempts pages have used up. A count only grows, until its page is settled.

        Returns:
            Whether that changed anything.
        """
        settled = self.pages.keys() | self.quarantined()
        news = {
            page: count
            for page, count in begun.items()
            if page not in settled and count > self.attempts.get(page, 0)
        }
        self.attempts = {**self.attempts, **news}
        return bool(news)

    def quarantined(self) -> set[int]:
        """The pages in quarantine."""
        return {failed.page for failed in self.failed_pages}

    def request(self, start: int, end: int) -> None:
        """Note that the pages from `start` to `end`, both included, are wanted."""
        merged: list[PageRange] = []
        for first, last in sorted([*self.requested, (start, end)]):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        self.requested = merged

    def pending(self) -> list[int]:
        """The pages that were asked for and are neither complete nor in quarantine, in order."""
        settled = self.pages.keys() | self.quarantined()
        return [page for first, last in self.requested for page in range(first, last + 1) if page not in settled]

    def begin(self) -> None:
        """Work starts, or goes on."""
        self.status = Status.IN_PROGRESS
        self.started_at = self.started_at or now()
        self.error = self.failed_at = self.completed_at = None

    def settle(self) -> None:
        """Say how the stage stands, once nothing that was asked for is pending."""
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
        """The stage has ended well."""
        self.status = Status.COMPLETED
        self.completed_at = self.completed_at or now()
        self.error = self.failed_at = None

    def fail_stage(self, error: str) -> None:
        """The stage has ended badly; what is complete stays complete."""
        self.status = Status.FAILED
        self.error = _encodable(error)
        self.failed_at = now()

    def cancel(self) -> None:
        """Nothing is wanted any more. What is complete stays complete."""
        self.requested = []
        self.metadata.pop("run", None)
        self.status = Status.CANCELLED

    def insist_on_invariants(self) -> None:
        """Before it is written: what must hold of any checkpoint holds of this one.

        Raises:
            InvariantError: it does not, which is a fault in Leafmark.
        """
        both = self.pages.keys() & self.quarantined()
        if both:
            raise InvariantError(f"{self.scan_id}/{self.stage}: pages {sorted(both)[:5]} are complete and given up")

    def summary(self) -> str:
        """Where it stands, in words: `443 of 447 pages complete, 12 doubtful, 4 quarantined`."""
        words = f"{len(self.pages)} of {counted(self.total_pages, 'page')} complete"
        doubtful = f", {len(self.doubtful_pages)} doubtful" if self.doubtful_pages else ""
        return f"{words}{doubtful}" + (f", {len(self.failed_pages)} quarantined" if self.failed_pages else "")

    def start_over(self) -> None:
        """Forget what is complete and what failed. The cost stays: money spent stays spent."""
        self.keep_pages({})
        self.failed_pages = []
        self.attempts = {}
        self.anew = frozenset()
        self.requested = []
        self.metadata.pop("run", None)
        self.status = Status.NOT_STARTED
        self.error = self.started_at = self.completed_at = self.failed_at = None


def _without(run: PageRange, page: int) -> list[PageRange]:
    """What is left of a range of pages without one of them."""
    first, last = run
    if not first <= page <= last:
        return [run]
    return [part for part in ((first, page - 1), (page + 1, last)) if part[0] <= part[1]]
