"""The meter of one scan: what it has spent and what is reserved for calls under way, in Redis, for all machines.

The ledgers on disk are the truth; the meter is their sum, kept where all workers can add to it in one step. The
bill stays within the budget if every worker keeps the order of `docs/explanation/budget.md`, which has the proof.
"""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from redis import Redis

from checkpointing.identity import new_token
from checkpointing.lua import Script
from checkpointing.money import Money

_RESERVE: Script[bytes] = Script("worker.billing.reserve_call")
_SETTLE: Script[None] = Script("worker.billing.settle_call")
_BEGIN_FILL: Script[bytes | None] = Script("worker.billing.begin_fill")
_FILL: Script[int] = Script("worker.billing.fill_meter")
_READ: Script[list[int] | None] = Script("worker.billing.read_meter")
_MILLION = 1_000_000


class Reserved(StrEnum):
    """The reply of the meter to a reservation."""

    GRANTED = "granted"
    """The call may be made."""
    WAIT = "wait"
    """The call would fit if calls under way cost nothing."""
    REACHED = "reached"
    """Less is left of the budget than the call may cost."""
    EMPTY = "empty"
    """Redis has lost the meter: `refill`, and reserve again."""


class Reading(NamedTuple):
    """What a meter holds.

    Attributes:
        spent: on calls whose cost is known.
        reserved: for calls under way, and calls whose end is not known.
    """

    spent: Money
    reserved: Money

    @property
    def total(self) -> Money:
        """Return the sum of both."""
        return self.spent + self.reserved


class Count(NamedTuple):
    """What the ledgers of all stages of a scan add up to.

    Attributes:
        spent: on calls whose cost is known.
        reservations: the maximum that each of the other calls may cost, by attempt.
    """

    spent: Money
    reservations: Mapping[str, Money]


class Meter:
    """The meter of one scan.

    Raises:
        RedisError: from every method: the broker failed. Nothing was granted, and a reservation stands until its
            call is settled again, or a recount.
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    def reserve(self, attempt: str, most: Money, limit: Money | None) -> Reserved:
        """Reserve the maximum cost of a call that is planned on disk already, within a limit if there is one.

        Safe to repeat with the same amount. Each try of a page has a new attempt.
        """
        budget = "" if limit is None else limit.rounded_down
        return Reserved(
            _RESERVE(self._redis, key=self._key, attempt=attempt, most=most.rounded_up, budget=budget).decode()
        )

    def settle(self, attempt: str, cost: Money) -> None:
        """Replace the reservation of a call by its cost. Its answer is on disk already. Safe to repeat.

        Decimals beyond a millionth of a micro-dollar are rounded up.
        """
        whole, millionths = _in_two(cost)
        _SETTLE(self._redis, key=self._key, attempt=attempt, whole=whole, millionths=millionths)

    def cancel(self, attempt: str) -> None:
        """Drop the reservation of a call that was not billed. It is taken back on disk already."""
        self.settle(attempt, Money())

    def refill(self, count: Callable[[], Count]) -> bool:
        """Fill the meter from the disk, if it is empty.

        Args:
            count: reads the ledgers of all stages; called when the meter is known to be empty. It must not use
                anything that was read before.

        Returns:
            Whether this call filled it. If not, another process did, or it has to be repeated: `reserve` tells.
        """
        token = self.begin_fill()
        return token is not None and self.fill(token, count())

    def begin_fill(self) -> str | None:
        """Return the token for a fill, to be taken before the disk is read; None where the meter is filled."""
        token = _BEGIN_FILL(self._redis, key=self._key, nonce=new_token())
        return None if token is None else token.decode()

    def fill(self, token: str, count: Count) -> bool:
        """Fill the meter with what was read since `token` was given; return False where the token is too old."""
        pairs = [part for attempt, most in count.reservations.items() for part in (attempt, most.rounded_up)]
        whole, millionths = _in_two(count.spent)
        filled = _FILL(
            self._redis, key=self._key, token=token, whole=whole, millionths=millionths, reservations=pairs
        )
        return bool(filled)

    def read(self) -> Reading | None:
        """Return what the meter holds; None where it is empty."""
        found = _READ(self._redis, key=self._key)
        if found is None:
            return None
        spent, fraction, reserved = found
        return Reading(Money(spent + Decimal(fraction) / _MILLION), Money.from_micro(reserved))

    def empty(self) -> None:
        """Empty the meter, so that the disk is counted again. Safe at any time, as a flush is."""
        self._redis.delete(self._key)


def _in_two(amount: Money) -> tuple[int, int]:
    """Return an amount as whole micro-dollars and millionths of one, rounded up."""
    return divmod(math.ceil(amount.micro * _MILLION), _MILLION)
