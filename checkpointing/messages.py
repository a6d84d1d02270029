"""What workers hand over to the coordinator through the inbox, besides pages in quarantine."""

from typing import Annotated

from pydantic import AwareDatetime, Field, NonNegativeFloat, NonNegativeInt

from checkpointing.fields import ClosedModel, PageNumber, Sha256, Usd, Words, now
from checkpointing.money import Dollars, Money
from checkpointing.page_records import Doubts, PageRecord, Seconds


class Completion(ClosedModel):
    """What a worker hands over once the output of a page is durable on shared storage."""

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
    cpu_seconds: Annotated[Seconds | None, Field(exclude=True)] = None
    """CPU time of the worker process meanwhile; handed over beside the entry too."""

    @property
    def spent(self) -> Money | None:
        """Return what the page has cost by the ledger, with decimals; None for a stage without one."""
        if self.ledger_micro is None:
            return None
        exact = Money.from_usd(self.cost_usd or 0.0)
        return exact if exact.rounded_down == self.ledger_micro else Money.from_micro(self.ledger_micro)

    def record(self) -> PageRecord:
        """Return the same as evidence for the checkpoint."""
        return PageRecord(**self.model_dump(exclude={"page", "ledger_micro"}), cpu_seconds=self.cpu_seconds)


class Pause(ClosedModel):
    """What a worker hands over when a stage cannot go on until a person has acted."""

    page: PageNumber
    reason: Words
    worker: Words = ""
    budget_usd: Dollars | None = None
    """The budget that was reached, in USD. A larger one makes the pause obsolete."""
