"""Larger reservations for models whose calls cost more than was reserved for them, shared by all workers.

A reservation is computed from the known price of the model. A call that costs more than its reservation proves that
price wrong: from then on each call of the model reserves more, on all workers at once, through Redis. What was
learned belongs to the price that was known at the time: it no longer counts once the user sets another price.
"""

import hashlib
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from redis import Redis

from checkpointing.cost_overruns import CostOverrun
from checkpointing.ledger_entry import Call
from checkpointing.lua import Script
from checkpointing.money import Money

# The next call may differ more from its estimate than this one did.
_MARGIN = 2
_FACTOR_UNIT = 1_000_000

_READ: Script[list[int]] = Script("worker.billing.read_learned_costs")
_RAISE: Script[None] = Script("worker.billing.raise_learned_costs")


class Estimate(NamedTuple):
    """The maximum that a call can cost by the known price.

    Attributes:
        price: the known price, for people.
        most: the maximum that the call can cost by it.
        basis: what a learned factor multiplies: the same in micro-dollars; for a model without a price, or with one
            of 0, the tokens that the call can take.
    """

    price: str
    most: Money
    basis: int


class Learned(NamedTuple):
    """What was learned of a model at its known price; both 0 where nothing was.

    Attributes:
        factor: what to reserve, as a multiple of the basis of a call, in millionths.
        dearest_micro: the cost of the most expensive call beyond its reservation, in micro-dollars.
    """

    factor: int = 0
    dearest_micro: int = 0

    def most(self, estimate: Estimate) -> Money:
        """Return what to reserve for a call."""
        by_factor = math.ceil(Decimal(estimate.basis) * self.factor / _FACTOR_UNIT)
        return max(estimate.most, Money.from_micro(by_factor), Money.from_micro(self.dearest_micro))


class LearnedCosts:
    """What was learned of all models, in a hash in Redis. Its methods raise RedisError if the broker fails."""

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    def of(self, provider: str, model: str, price: str) -> Learned:
        """Return what was learned of a model at a price."""
        return Learned(*_READ(self._redis, learned_costs=self._key, fields=[*_fields(provider, model, price)]))

    def take(self, overruns: Iterable[CostOverrun]) -> None:
        """Raise what is reserved by what overruns tell. Safe to repeat."""
        for overrun in overruns:
            factor, dearest = _fields(overrun.provider, overrun.model, overrun.price)
            millionths = math.ceil(overrun.factor * _FACTOR_UNIT)
            learned = [factor, millionths, dearest, overrun.cost_micro]
            _RAISE(self._redis, learned_costs=self._key, learned=learned)


def overrun_of(call: Call, cost: Money, estimate: Estimate) -> CostOverrun:
    """Return what there is to learn of a call that cost more than was reserved for it."""
    return CostOverrun(
        attempt=call.attempt,
        page=call.page,
        provider=call.provider,
        model=call.model,
        price=estimate.price,
        reserved_micro=call.most_micro,
        cost_micro=cost.rounded_up,
        factor=Decimal(cost.rounded_up * _MARGIN) / max(1, estimate.basis),
    )


def _fields(provider: str, model: str, price: str) -> tuple[str, str]:
    digest = hashlib.sha256(f"{provider}\n{model}\n{price}".encode()).hexdigest()[:32]
    return f"{digest}:factor", f"{digest}:dearest"
