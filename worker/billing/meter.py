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
    """How a meter stands, in micro-dollars.

    Attributes:
        spent: on calls whose cost is known.
        reserved: for those under way, and those of which nobody knows what became.
    """

    spent: Decimal
    reserved: int

    @property
    def total(self) -> Decimal:
        """Both together."""
        return self.spent + self.reserved


class Count(NamedTuple):
    """What the ledgers of all stages of a scan add up to, in micro-dollars.

    Attributes:
        spent: on calls whose cost is known.
        reservations: the most that each of the others may cost, by attempt.
    """

    spent: Decimal
    reservations: Mapping[str, int]


class Meter:
    """The meter of one scan. While the broker fails, nothing is granted.

    Args:
        redis: client of the broker.
        key: of the meter.
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    def reserve(self, attempt: str, micro: int, budget_micro: int | None) -> Reserved:
        """Ask for a call that is planned on disk already. It may be said again, with the same amount.

        Args:
            attempt: names the call; a new one for each try.
            micro: the most it may cost, in micro-dollars.
            budget_micro: in micro-dollars; None for no bound.

        Raises:
            RedisError: the broker failed; the call must not be made.
        """
        budget = "" if budget_micro is None else budget_micro
        return Reserved(_RESERVE(self._redis, key=self._key, attempt=attempt, most=micro, budget=budget).decode())

    def settle(self, attempt: str, micro: Decimal | int) -> None:
        """Put what a call cost in the place of what was reserved for it. Its answer is on disk already.

        Args:
            attempt: names the call.
            micro: its cost, in micro-dollars; what is finer than a millionth of one is rounded up.

        Raises:
            RedisError: the broker failed; the reservation stands until somebody says it again, or a recount.
        """
        whole, millionths = _in_two(micro)
        _SETTLE(self._redis, key=self._key, attempt=attempt, whole=whole, millionths=millionths)

    def cancel(self, attempt: str) -> None:
        """Drop the reservation of a call that was not billed. It is taken back on disk already.

        Raises:
            RedisError: the broker failed; as with `settle`.
        """
        self.settle(attempt, 0)

    def refill(self, count: Callable[[], Count]) -> bool:
        """Fill the meter, if it is empty, from the disk.

        Args:
            count: reads the ledgers of all stages, when the meter is known to be empty. It must not use anything
                that was read before.

        Returns:
            Whether it was this that filled it. If not, somebody else did, or it has to be done again: `reserve`
            tells.

        Raises:
            RedisError: the broker failed.
        """
        token = self.begin_fill()
        return token is not None and self.fill(token, count())

    def begin_fill(self) -> str | None:
        """What a fill has to show; None where the meter is filled. To be asked for before the disk is read.

        Raises:
            RedisError: the broker failed.
        """
        token = _BEGIN_FILL(self._redis, key=self._key, nonce=new_token())
        return None if token is None else token.decode()

    def fill(self, token: str, count: Count) -> bool:
        """Fill the meter with what was read since `token` was given; False, and no change, where that is too old.

        Raises:
            RedisError: the broker failed.
        """
        pairs = [part for pair in count.reservations.items() for part in pair]
        whole, millionths = _in_two(count.spent)
        filled = _FILL(
            self._redis, key=self._key, token=token, whole=whole, millionths=millionths, reservations=pairs
        )
        return bool(filled)

    def read(self) -> Reading | None:
        """How it stands; None where it is empty.

        Raises:
            RedisError: the broker failed.
        """
        found = _READ(self._redis, key=self._key)
        if found is None:
            return None
        spent, fraction, reserved = found
        return Reading(spent + Decimal(fraction) / _MILLION, reserved)

    def empty(self) -> None:
        """Forget it, so that the disk is counted again. Safe at any time, as a flush is.

        Raises:
            RedisError: the broker failed.
        """
        self._redis.delete(self._key)


def _in_two(micro: Decimal | int) -> tuple[int, int]:
    """An amount in micro-dollars as whole ones and millionths of one, rounded up."""
    return divmod(math.ceil(micro * _MILLION), _MILLION)
