"""What calls of a model have really cost, where that was more than was reserved for them; for all workers at once.

A reservation rests on the price that is known for the model. Where a call costs more than was reserved for it, that
price is wrong: from then on each call reserves so much more, in the same step in Redis for all workers. What was
learned belongs to the price that was known at the time: once the user sets another one it counts no more.
"""

import hashlib
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from redis import Redis

from checkpointing.ledger import Call
from checkpointing.lua import Script
from checkpointing.surprises import Surprise

# The next call may differ more from its estimate than the one that told us.
_MARGIN = 2
_FACTOR_UNIT = 1_000_000

_READ: Script[list[int]] = Script("worker.billing.read_learned_costs")
_RAISE: Script[None] = Script("worker.billing.raise_learned_costs")


class Estimate(NamedTuple):
    """What a call may cost by the price that is known.

    Attributes:
        price: that price in words.
        most_micro: the most that the call can cost by it, in micro-dollars.
        basis: what a learned factor multiplies: that again; for a model without a price, or with one of 0, the
            tokens that the call can take.
    """

    price: str
    most_micro: int
    basis: int


class Learned(NamedTuple):
    """What was learned of a model at the price that is known for it; both 0 where nothing was.

    Attributes:
        factor: what to reserve, as a multiple of the basis of a call, in millionths.
        dearest_micro: what the dearest of the calls cost that surprised us, in micro-dollars.
    """

    factor: int = 0
    dearest_micro: int = 0

    def most(self, estimate: Estimate) -> int:
        """Return what to reserve for a call, in micro-dollars."""
        by_factor = math.ceil(Decimal(estimate.basis) * self.factor / _FACTOR_UNIT)
        return max(estimate.most_micro, by_factor, self.dearest_micro)


class LearnedCosts:
    """What was learned of all models, in Redis.

    Args:
        redis: client of the broker.
        key: of the hash.
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    def of(self, provider: str, model: str, price: str) -> Learned:
        """Return what was learned of a model at a price.

        Raises:
            RedisError: the broker failed.
        """
        return Learned(*_READ(self._redis, learned_costs=self._key, fields=[*_fields(provider, model, price)]))

    def take(self, surprises: Iterable[Surprise]) -> None:
        """Raise what is reserved by what surprises tell. Safe to repeat.

        Raises:
            RedisError: the broker failed.
        """
        for surprise in surprises:
            factor, dearest = _fields(surprise.provider, surprise.model, surprise.price)
            millionths = math.ceil(surprise.factor * _FACTOR_UNIT)
            learned = [factor, millionths, dearest, surprise.cost_micro]
            _RAISE(self._redis, learned_costs=self._key, learned=learned)


def surprise_of(call: Call, cost_micro: int, estimate: Estimate) -> Surprise:
    """Return what there is to learn of a call that cost more than was reserved for it, in micro-dollars."""
    return Surprise(
        attempt=call.attempt,
        page=call.page,
        provider=call.provider,
        model=call.model,
        price=estimate.price,
        reserved_micro=call.most_micro,
        cost_micro=cost_micro,
        factor=Decimal(cost_micro * _MARGIN) / max(1, estimate.basis),
    )


def _fields(provider: str, model: str, price: str) -> tuple[str, str]:
    digest = hashlib.sha256(f"{provider}\n{model}\n{price}".encode()).hexdigest()[:32]
    return f"{digest}:factor", f"{digest}:dearest"
