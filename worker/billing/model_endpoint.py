"""One model of one provider: whether a call may go out now, and what its end means for other calls.

A call waits here for a free slot, for the circuit breaker, for a pause that the provider asked for and for the rate
limits. How a call ended is recorded here for all workers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisError

from checkpointing.ledger_entry import Call
from checkpointing.plurals import counted
from worker.billing.estimate import likely_tokens_of
from worker.billing.learned_costs import LearnedCosts
from worker.billing.seen_answers import SeenAnswers
from worker.llm.backoff import Backoff, Cooldown
from worker.llm.circuit_breaker import Breaker, Failures
from worker.llm.client import ModelClient
from worker.llm.errors import CallFailedError, ProviderError, ProviderRefusesError
from worker.llm.local_servers import CallSlots
from worker.llm.prices import PriceBook
from worker.llm.prompt import Prompt
from worker.llm.rate_limits import RateLimits

# Pauses of the breaker before a person is asked to check an address that does not answer as an API.
_MAX_FOREIGN_PAUSES = 5


@dataclass(slots=True)
class Waiting:
    """How long a page waits before it lets another page try.

    Attributes:
        turn_seconds: maximum wait for the model, and for room in the budget.
        slot_seconds: maximum wait for calls of other pages, where a local server takes only a few at once.
        poll_seconds: pause between two looks at what it waits for.
        sleep: waits this many seconds.
    """

    turn_seconds: float = 15.0
    slot_seconds: float = 60.0
    poll_seconds: float = 0.25
    sleep: Callable[[float], object] = time.sleep


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """What a process needs to call one model; the same for all scans.

    Attributes:
        provider: host of the provider, for the records.
    """

    client: ModelClient
    provider: str
    model: str
    prices: PriceBook
    limits: RateLimits
    backoff: Backoff
    learned: LearnedCosts
    seen: SeenAnswers
    breaker: Breaker
    cooldown: Cooldown = field(default_factory=Cooldown)
    slots: CallSlots = field(default_factory=lambda: CallSlots(is_bounded=False))
    waiting: Waiting = field(default_factory=Waiting)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the slots for calls that this process makes at once.

        Raises:
            ProviderError: none became free in time.
        """
        with self.slots.taken(self.waiting.slot_seconds) as is_free:
            if not is_free:
                raise ProviderError(f"{self.provider} is busy with calls for other pages, which take long")
            yield

    def wait_for_turn(self, prompt: Prompt[Any]) -> None:
        """Wait until the breaker, the provider and the rate limits allow a call.

        Raises:
            ProviderError: they did not in time.
            RedisError: the broker failed; the call must not be made.
        """
        wait = self.waiting
        give_up_at = time.monotonic() + wait.turn_seconds
        while (left := self.breaker.left_seconds()) > 0:
            if time.monotonic() >= give_up_at:
                raise ProviderError(f"{self.model} is not called for another {left:.0f} s{self.recent_failures()}")
            wait.sleep(min(left, wait.poll_seconds))
        if (left := self.cooldown.left_seconds()) > 0:
            raise ProviderError(f"{self.provider} asked for no call of {self.model} for another {left:.0f} s")
        tokens = likely_tokens_of(prompt)
        if not self.limits.wait_for_turn(self.provider, self.model, tokens, wait.turn_seconds):
            raise ProviderError(
                f"the rate limits left no room for a call of {self.model} in {wait.turn_seconds:g} s"
            )

    def recent_failures(self) -> str:
        """Return how many calls failed in a row and why, as the end of a message; empty for none."""
        silence = self.breaker.silence()
        if silence is None:
            return ""
        return f"; {counted(silence.count, 'call', 'calls in a row')} got no answer: {silence.said}"

    def record_success(self) -> None:
        """Record that the provider answers. Where the broker fails, the breaker lets a trial through later."""
        with suppress(RedisError):
            self.breaker.answered()

    def record_failure(self, call: Call, error: CallFailedError) -> Failures | None:
        """Record a failed call for all workers.

        Returns:
            The failures of the model since its last answer; None where the broker failed.

        Raises:
            ProviderRefusesError: so many calls failed that a person has to check the address.
        """
        try:
            failures = self.breaker.failed(
                call.attempt,
                str(error),
                is_foreign=error.is_foreign,
                is_outage=not error.is_rate_limit,
                may_have_been_billed=error.may_have_been_billed and call.most_micro > 0,
                retry_after_seconds=error.retry_after_seconds,
            )
        except RedisError:
            return None
        if failures.all_foreign and failures.opens > _MAX_FOREIGN_PAUSES:
            raise ProviderRefusesError(
                f"{error.message} ({counted(failures.in_a_row, 'call')} failed in a row)", hint=error.hint
            )
        return failures

    def leave(self, call: Call) -> None:
        """Tell the breaker that a call was not made, or that its end is not known."""
        with suppress(RedisError):
            self.breaker.leave(call.attempt)
