"""What happens in a worker, told to whoever counts it. By default that is nobody.

The parts of a worker say `metrics().page(...)` and know nothing of Prometheus. The worker's main process chooses
who counts before it forks; pool and reconciler inherit that.
"""

import time
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from checkpointing.money import Money

FakeDeployment = TypeVar("FakeDeployment")
More = ParamSpec("More")
Became = TypeVar("Became", bound=StrEnum)


class Metrics:
    """Counts nothing: the interface, and what is in force unless a port was set.

    Attributes:
        folder: where the figures of this worker's processes come together; None where nothing is counted.
    """

    folder: Path | None = None

    def page(self, stage: str, outcome: str, seconds: float) -> None:
        """A message was worked off, in so many seconds."""

    def claim(self, stage: str, event: str) -> None:
        """A claim was `taken`, was `held` by somebody else, or was `lost` with its result."""

    def quarantined(self, stage: str, kind: str) -> None:
        """A page was given up."""

    def spent(self, stage: str, cost: Money) -> None:
        """An answer is in the ledger, and cost this much."""

    def committed(self, stage: str, seconds: float, pages: int) -> None:
        """An inbox was merged, which settled so many pages."""

    def healed(self, stage: str, enqueued: int, adopted: int) -> None:
        """The reconciler saw to lost pages."""

    def begin_at_zero(self, stages: list[str]) -> None:
        """Show counters before their first event."""


_in_force = Metrics()


def metrics() -> Metrics:
    """Who counts in this process."""
    return _in_force


def use(counting: Metrics) -> None:
    """Let somebody count, in this process and those that it forks from now on."""
    global _in_force  # noqa: PLW0603  # one a process, as its logs; forked children inherit it
    _in_force = counting


class _OfStage(Protocol):
    @property
    def stage(self) -> str: ...


Message = TypeVar("Message", bound=_OfStage)


def counted(
    process: Callable[Concatenate[FakeDeployment, Message, More], Became],
) -> Callable[Concatenate[FakeDeployment, Message, More], Became]:
    """Count what a function makes of messages. One that raises has made nothing of it."""

    @wraps(process)
    def counting(fake: FakeDeployment, message: Message, /, *more: More.args, **named: More.kwargs) -> Became:
        started = time.monotonic()
        outcome = process(fake, message, *more, **named)
        _in_force.page(message.stage, outcome.value, time.monotonic() - started)
        return outcome

    return counting
