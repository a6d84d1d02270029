"""The meter of one scan: what it has spent and what is reserved for calls under way, in Redis, for all machines.

The ledgers on disk are the truth; the meter is what they add up to, kept where all workers can add to it in one
step. It is what keeps the bill within the budget, provided that everybody does it in this order:

1. The call is noted on disk as planned, with a new attempt id and the most that it may cost.
2. `reserve`. Only `GRANTED` allows the call to go on. `EMPTY`: the plan is taken back, `refill`, and planned anew.
   Otherwise the plan is first taken back on disk, and then `cancel`led. A caller that has to wait plans its call
   anew, under a new id.
3. The note on disk is renamed from planned to asked, durably. That fails when the plan was taken back; then the
   reservation is cancelled, and the call is planned anew. Anyone may take back a planned note: a fill does so with
   all of them, the next worker of a page with those of that page, the reconciler with those of lost pages.
4. The call. One whose outcome is not known stays on disk as asked, and only the worker that made it may take it
   back, when it cannot have been billed: first on disk, and then in the meter.
5. The answer is on disk, and then `settle` says what it cost. Saying it again does no harm: the worker that
   uses the answer later does so.

**Why the bill never passes the budget.** A call is granted if all that is spent, all that is reserved and the most
that it may cost are within the budget together; and whatever is asked was granted, and is in the meter, reserved or
spent, for as long as that meter stands: only the worker itself takes its reservation back, or the one that has
taken back its plan, and then it is not asked. What is left to show is that it still is after Redis has forgotten.

**Flush.** An empty meter grants nothing until it is filled from the disk. Of the calls granted before the flush,
those that were asked by the time that the disk is read are counted: with their cost, or with the most it may be.
Those still planned are taken back, and never asked under that grant: the file system decides whether the rename to
asked or the removal comes first. Two fills do not add up: the first one wins.

**A fill from a stale reading.** Somebody may read the disk, be overtaken by a fill, a call that is noted and
granted, and a second flush; his sums lack that call. So the sums are only taken with a token, which the empty meter
gave out *before* the disk was read. The token goes with a flush and with a fill. While it stands, nothing was
granted since it was given; so what was granted is on disk for longer than that, and every reading with this token
has seen it as asked, or taken it back. A reader whose token has gone may take back plans that a later meter has
granted: these are planned anew.

**Settled while somebody reads.** He may have read it as asked already. The empty meter notes what it cost, and
the fill takes that instead: else the reservation would stand for ever, which costs nobody anything but room in
the budget. Settled before anybody began to read: the disk says so. Settled after the fill: replaced, if it was
read as asked; else it was read as answered, is counted, and nothing changes.

**A server that comes back with an older state** (its last second not yet on its disk, or a replica that lagged)
has a meter that looks filled and lacks calls. So the meter names the server process that it was filled in
(`run_id`); under any other it counts as empty. A server that does not tell is refused.

**A forged meter**, of another type or with amounts that are not amounts, is emptied, which is as safe as a flush.

**Killed workers and lost replies.** A worker that dies leaves its call on disk and in the meter, as reserved: too
much perhaps, never too little. What it had only planned goes with the next recount, at the latest before a stage is
paused for want of room. A command that is said again because its reply was lost changes nothing. One that
arrives again later still, after the next ones, can at worst count a call twice, until the next recount (`empty`).

What this takes for granted: a call costs no more than was reserved for it, and where one does, only those in flight
at that moment do (`worker/billing/learned_costs.py`); a reading of the disk sees whatever
was durable before it began. A file system that shows folders as they were some time ago (NFS caches them) does
not.
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
    """What the meter says to a call that is about to be made."""

    GRANTED = "granted"
    """It may be made."""
    WAIT = "wait"
    """It would fit if the other calls under way came to nothing."""
    REACHED = "reached"
    """What is left of the budget is less than it may cost."""
    EMPTY = "empty"
    """Redis has forgotten: `refill`, and ask again."""


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
    """The meter of one scan. While the broker fails, nothing is granted.

    Args:
        redis: client of the broker.
        key: of the meter.
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    def reserve(self, attempt: str, most: Money, limit: Money | None) -> Reserved:
        """Reserve room for a call that is planned on disk already. Safe to repeat with the same amount.

        Args:
            attempt: unique name of the call; a new one for each try.
            most: the maximum that the call may cost.
            limit: the budget; None for no limit.

        Raises:
            RedisError: the broker failed; the call must not be made.
        """
        budget = "" if limit is None else limit.rounded_down
        return Reserved(
            _RESERVE(self._redis, key=self._key, attempt=attempt, most=most.rounded_up, budget=budget).decode()
        )

    def settle(self, attempt: str, cost: Money) -> None:
        """Replace the reservation of a call by its cost. Its answer is on disk already. Safe to repeat.

        Args:
            attempt: unique name of the call.
            cost: its cost; decimals beyond a millionth of a micro-dollar are rounded up.

        Raises:
            RedisError: the broker failed; the reservation stands until the call is settled again, or a recount.
        """
        whole, millionths = _in_two(cost)
        _SETTLE(self._redis, key=self._key, attempt=attempt, whole=whole, millionths=millionths)

    def cancel(self, attempt: str) -> None:
        """Drop the reservation of a call that was not billed. It is taken back on disk already.

        Raises:
            RedisError: the broker failed; the reservation stands until a recount.
        """
        self.settle(attempt, Money())

    def refill(self, count: Callable[[], Count]) -> bool:
        """Fill the meter from the disk, if it is empty.

        Args:
            count: reads the ledgers of all stages; called when the meter is known to be empty. It must not use
                anything that was read before.

        Returns:
            Whether this call filled it. If not, another process did, or it has to be repeated: `reserve` tells.

        Raises:
            RedisError: the broker failed.
        """
        token = self.begin_fill()
        return token is not None and self.fill(token, count())

    def begin_fill(self) -> str | None:
        """Return the token for a fill, to be taken before the disk is read; None where the meter is filled.

        Raises:
            RedisError: the broker failed.
        """
        token = _BEGIN_FILL(self._redis, key=self._key, nonce=new_token())
        return None if token is None else token.decode()

    def fill(self, token: str, count: Count) -> bool:
        """Fill the meter with what was read since `token` was given; return False where the token is too old.

        Raises:
            RedisError: the broker failed.
        """
        pairs = [part for attempt, most in count.reservations.items() for part in (attempt, most.rounded_up)]
        whole, millionths = _in_two(count.spent)
        filled = _FILL(
            self._redis, key=self._key, token=token, whole=whole, millionths=millionths, reservations=pairs
        )
        return bool(filled)

    def read(self) -> Reading | None:
        """Return what the meter holds; None where it is empty.

        Raises:
            RedisError: the broker failed.
        """
        found = _READ(self._redis, key=self._key)
        if found is None:
            return None
        spent, fraction, reserved = found
        return Reading(Money(spent + Decimal(fraction) / _MILLION), Money.from_micro(reserved))

    def empty(self) -> None:
        """Empty the meter, so that the disk is counted again. Safe at any time, as a flush is.

        Raises:
            RedisError: the broker failed.
        """
        self._redis.delete(self._key)


def _in_two(amount: Money) -> tuple[int, int]:
    """Return an amount as whole micro-dollars and millionths of one, rounded up."""
    return divmod(math.ceil(amount.micro * _MILLION), _MILLION)
