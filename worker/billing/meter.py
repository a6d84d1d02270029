"""The meter of one scan: what it has spent and what is reserved for calls under way, in Redis, for all machines.

The ledgers on disk are the truth; the meter is their sum, kept where all workers can add to it in one step. It
keeps the bill within the budget if every worker follows this order:

1. The call is recorded on disk as planned, with a new attempt id and the maximum that it may cost. 2. `reserve`.
Only `GRANTED` lets the call go on. After `EMPTY` the plan is taken back, the meter `refill`ed, and the
   call planned again. Otherwise the plan is first taken back on disk, and then `cancel`led. A call that has to wait
   is planned again, under a new id.
3. The file on disk is renamed from planned to asked, durably. That fails if the plan was taken back; then the
   reservation is cancelled, and the call is planned again. Any process may take back a planned call: a fill takes
   back all of them, the next worker of a page those of that page, the reconciler those of lost pages.
4. The call is made. One whose end is not known stays on disk as asked, and only the worker that made it may take it
   back, if it cannot have been billed: first on disk, and then in the meter.
5. The answer is recorded on disk, and then `settle` replaces the reservation by the cost. That is safe to repeat: a
   worker that uses the answer later does so.

**Why the bill never passes the budget.** A call is granted if the sum of everything spent, everything reserved and
the maximum of this call is within the budget. And whatever is asked was granted, and is in the meter, reserved or
spent, as long as that meter exists: only the worker itself takes its reservation back, or the process that has
taken back its plan, and then the call is not made. It remains to show that this also holds after Redis lost its
data.

**Flush.** An empty meter grants nothing until it is filled from the disk. Of the calls granted before the flush,
those that are asked by the time the disk is read are counted: with their cost, or with their maximum. Those still
planned are taken back, and never made under that grant: the file system decides whether the rename to asked or the
removal comes first. Two fills do not add up: the first one wins.

**A fill from an outdated reading.** A process may read the disk and be overtaken by a fill, by a call that is
recorded and granted, and by a second flush; its sums lack that call. So a fill needs a token, which the empty meter
gave out *before* the disk was read. The token is lost with a flush and with a fill. While it is valid, nothing was
granted since it was given; so everything that was granted has been on disk for longer, and every reading with this
token has seen it as asked, or taken it back. A reader whose token is lost may take back plans that a later meter
has granted: these calls are planned again.

**Settled during a reading.** The reader may have read the call as asked already. The empty meter records the cost,
and the fill uses it instead: otherwise the reservation would stay for ever, which costs nothing but room in the
budget. Settled before any reading began: the disk has the cost. Settled after the fill: the reservation is replaced
if the call was read as asked; if it was read as answered, it is counted, and nothing changes.

**A server that returns with an older state** (its last second not yet on its disk, or a replica that lagged) has a
meter that looks filled and lacks calls. So the meter names the server process in which it was filled (`run_id`);
under any other it counts as empty. A server that does not report its `run_id` is refused.

**A forged meter**, of another type or with amounts that are not amounts, is emptied, which is as safe as a flush.

**Killed workers and lost replies.** A worker that dies leaves its call on disk and in the meter, as reserved:
perhaps too much, never too little. What it had only planned is removed by the next recount, at the latest before a
stage is paused for lack of room. A command that is repeated because its reply was lost changes nothing. One that
arrives again even later, after the next commands, can at worst count a call twice, until the next recount
(`empty`).

Assumptions: a call costs no more than was reserved for it, and where one does, only those in flight at that moment
do (`learned_costs.py`); a reading of the disk sees everything that was durable before it began. A file system that
shows folders as they were some time ago (NFS caches them) does not.
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
