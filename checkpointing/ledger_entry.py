"""One call in a ledger: its record, and the name of its file, which holds state and amount.

| state      | the call                                                    | the amount              |
|------------|-------------------------------------------------------------|-------------------------|
| `planned`  | waits for room in the budget; it was not sent               | the maximum it may cost |
| `asked`    | is being made, or never got an answer                       | the maximum it may cost |
| `answered` | was answered; the answer can be used                        | its cost                |
| `rejected` | was answered, and the answer was unusable                   | its cost                |
| `old`      | was answered, and the page is to be done again all the same | its cost                |
"""

import re
import uuid
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import AwareDatetime, Field, NonNegativeFloat, NonNegativeInt

from checkpointing.fields import OpenModel, PageNumber, Sha256, now
from checkpointing.money import MicroDollars, Money, plain

_NAME = re.compile(r"(?P<attempt>[0-9a-f]{16,64})\.(?P<state>[a-z]+)\.(?P<amount>\d{1,15}(?:\.\d{1,12})?)\.json")

AttemptId = Annotated[str, Field(pattern=r"^[0-9a-f]{16,64}$")]


class State(StrEnum):
    """The state of a call."""

    PLANNED = "planned"
    ASKED = "asked"
    ANSWERED = "answered"
    REJECTED = "rejected"
    OLD = "old"


class Call(OpenModel):
    """One call, as its file has it.

    Attributes:
        request_sha256: of the whole question; an answer to the same question is not paid for twice.
        most_micro: the maximum that the call may cost, in micro-dollars: what was reserved for it.
        cost_micro: its cost in micro-dollars; None while there is no answer.
        cost_source: who reports the cost.
        usage: tokens by kind.
        answer: the body of the provider's response, unchanged.
        seconds: time until the answer.
    """

    version: str = "1"
    attempt: AttemptId
    scan_id: str
    stage: str
    page: PageNumber
    provider: str
    model: str
    request_sha256: Sha256
    most_micro: NonNegativeInt
    asked_at: AwareDatetime = Field(default_factory=now)
    answered_at: AwareDatetime | None = None
    cost_micro: MicroDollars | None = None
    cost_source: str = ""
    usage: dict[str, NonNegativeInt] = {}  # noqa: RUF012  # pydantic copies it
    seconds: NonNegativeFloat | None = None
    answer: str = ""

    @property
    def most(self) -> Money:
        """Return the maximum that the call may cost."""
        return Money.from_micro(self.most_micro)

    @property
    def cost(self) -> Money:
        """Return what the call cost; nothing while there is no answer."""
        return Money.from_micro(self.cost_micro or 0)

    @property
    def is_answered(self) -> bool:
        """Return whether the call has an answer, and so a cost."""
        return self.cost_micro is not None


def new_attempt() -> str:
    """Return a new unique name for a call."""
    return uuid.uuid4().hex


class Line(NamedTuple):
    """What the name of a call's file says."""

    page: int
    attempt: str
    state: State
    amount: Money


def file_name(attempt: str, state: State, amount: Money) -> str:
    """Return the name of a call's file."""
    return f"{attempt}.{state}.{plain(amount.micro)}.json"


def parse_name(page: int, name: str) -> Line | None:
    """Return what the name of a file says; None where it is not a call's."""
    found = _NAME.fullmatch(name)
    if found is None or found["state"] not in set(State):
        return None
    return Line(page, found["attempt"], State(found["state"]), Money(Decimal(found["amount"])))


def sent_calls(lines: list[Line]) -> list[Line]:
    """Return the calls that were sent, each once."""
    found = [line for line in lines if line.state is not State.PLANNED]
    # A worker that died between writing the answer and removing the question left both.
    answered = {line.attempt for line in found if line.state is not State.ASKED}
    return [line for line in found if line.state is not State.ASKED or line.attempt not in answered]
