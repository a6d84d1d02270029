"""What a checkpoint holds about single pages: complete, doubtful or in quarantine."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AwareDatetime, Field, NonNegativeFloat, NonNegativeInt

from checkpointing.fields import ClosedModel, OpenModel, PageNumber, Sha256, Usd, Words, now
from checkpointing.money import add_usd

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class PageRecord:
    """The evidence for one completed page.

    A dataclass with slots and not a model: a book may have 100,000 of them in memory.

    Attributes:
        sha256: of the output file; null for a page of an older checkpoint that recorded none.
        schema_version: of the schema that accepted those bytes.
        cost_usd: cost of the page in USD; null where it is not known (an adopted output).
        seconds: how long the stage worked on the page.
        attempts: how many attempts the page took.
        completed_at: when the output was saved.
        worker: the worker that saved it.
        made_from: digests of the inputs and of the recipe. `producer.planning.stale` compares them.
        cpu_seconds: CPU time of the worker process meanwhile; null where it is not known, as where a process does
            several pages at once.
    """

    sha256: Sha256 | None = None
    schema_version: str = ""
    cost_usd: Usd | None = None
    seconds: NonNegativeFloat | None = None
    attempts: NonNegativeInt = 0
    completed_at: AwareDatetime | None = None
    worker: str = ""
    made_from: str = ""
    cpu_seconds: Seconds | None = None


def cost_of(records: Iterable[PageRecord], total_usd: float) -> float:
    """Return what completed pages have cost, in USD, as far as is known.

    Where the cost of a page is not known (older checkpoints kept only a total), the total stands for all.
    """
    costs = [record.cost_usd for record in records]
    known = add_usd(*(cost or 0.0 for cost in costs))
    return max(known, total_usd) if None in costs else known


class Doubt(OpenModel):
    """Why the reading of a complete page is implausible."""

    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = Field(
        description="Stable name of the reason: `low_confidence`."
    )
    message: Words = Field(description="The reason in words, with the figures.")


Doubts = Annotated[tuple[Doubt, ...], Field(max_length=16)]


class DoubtfulPage(OpenModel):
    """A complete page that a person should check, because its reading is implausible. It is not a failure."""

    page: PageNumber
    reasons: Annotated[tuple[Doubt, ...], Field(min_length=1, max_length=16)]


class FailedPage(ClosedModel):
    """A page in quarantine: given up, with the reason; the other pages go on."""

    page: PageNumber
    kind: Words
    message: Words
    attempts: NonNegativeInt = 0
    worker: Words = ""
    failed_at: AwareDatetime = Field(default_factory=now)
    ledger_micro: NonNegativeInt | None = None
    """What the page has cost by the stage's ledger, in whole micro-dollars; null for a stage that has none."""
