"""Limits of calls and tokens per minute and model, over all machines.

`limits` counts them in Redis, through the connections of Leafmark's own client: its address, password, TLS and
timeouts. Its sliding window is two counters and their time to live in Redis, so it costs the same for a million
tokens as for one, and does not depend on a machine's clock. Like the bucket of a provider it lets through a burst
after a quiet minute, and then a steady flow.

A call that waits holds nothing. It takes from both limits when both have room, first from the one with room for
fewer such calls: if it loses a race there, it has taken nothing. If it loses the race for the other limit, what it
took from the first counts for a minute: too few calls are made then, never too many.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import Redis
from redis.exceptions import ResponseError

_WINDOW_SECONDS = 60.0
_MIN_PAUSE_SECONDS = 0.05
# `limits` keeps its counters for two windows; one that would stay longer was forged, and would count for ever.
_MAX_KEPT_SECONDS = 3 * _WINDOW_SECONDS
# What PTTL returns for a key that never expires.
_NO_EXPIRY = -1
# Share of a pause that is added at random, so that calls that wait for the same moment do not all come at once.
_JITTER = 0.25


@dataclass(frozen=True, slots=True)
class _Demand:
    """What a call takes from one limit."""

    limit: RateLimitItem
    cost: int


class RateLimits:
    """The limits of calls and tokens per minute, for each model.

    Args:
        requests_per_minute: maximum calls of one model; None for no limit.
        tokens_per_minute: maximum tokens of one model, in and out; None for no limit.
        clock: returns seconds, from any start.
    """

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Of the address it takes the scheme alone, where it is given connections.
        self._storage = RedisStorage("redis://", connection_pool=redis.connection_pool, key_prefix=prefix)
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._redis = redis
        self._requests = _per_minute(requests_per_minute, "requests")
        self._tokens = _per_minute(tokens_per_minute, "tokens")
        self._clock = clock

    def wait_for_turn(
        self,
        provider: str,
        model: str,
        tokens: int,
        give_up_after_seconds: float,
        wait: Callable[[float], object] = time.sleep,
    ) -> bool:
        """Wait until a call with about so many tokens, in and out, fits into both limits, and count it.

        A call with more tokens than the limit counts as a whole minute and goes alone: otherwise it would wait for
        ever. An exception of `wait` ends the wait.

        Returns:
            Whether the call may be made. If not, nothing is counted, except after the race described above.

        Raises:
            RedisError: the broker failed; the call must not be made.
        """
        demands = self._demands(tokens)
        give_up_at = self._clock() + give_up_after_seconds
        self._forget_unusable(demands, (provider, model))
        while (pause := self._take(demands, (provider, model))) is not None:
            left = give_up_at - self._clock()
            if pause > left:
                return False
            wait(min(left, pause * random.uniform(1, 1 + _JITTER)))  # noqa: S311  # it guards nothing
        return True

    def _demands(self, tokens: int) -> list[_Demand]:
        demands = [_Demand(self._requests, 1)] if self._requests else []
        if self._tokens:
            demands.append(_Demand(self._tokens, min(tokens, self._tokens.amount)))
        return demands

    def _forget_unusable(self, demands: list[_Demand], names: tuple[str, str]) -> None:
        """Delete counters that are not counters, or that would never expire."""
        for demand in demands:
            try:
                self._limiter.get_window_stats(demand.limit, *names)
                usable = self._expires(demand, names)
            except (ResponseError, ValueError):
                usable = False
            if not usable:
                self._limiter.clear(demand.limit, *names)

    def _expires(self, demand: _Demand, names: tuple[str, str]) -> bool:
        counter = self._storage.prefixed_key(f"{{{demand.limit.key_for(*names)}}}")
        left = int(self._redis.pttl(counter))
        return left != _NO_EXPIRY and left <= _MAX_KEPT_SECONDS * 1000

    def _take(self, demands: list[_Demand], names: tuple[str, str]) -> float | None:
        """Count a call in all limits, or return the minimum seconds before the next try."""
        calls_left: list[tuple[float, _Demand]] = []
        pause = 0.0
        for demand in demands:
            reset_at, left = self._limiter.get_window_stats(demand.limit, *names)
            lacking = demand.cost - left
            if lacking > 0:
                # No more than a whole window's share flows back in that time, and nothing before the reset.
                flows_back = _WINDOW_SECONDS * lacking / demand.limit.amount
                pause = max(pause, _MIN_PAUSE_SECONDS, flows_back, reset_at - time.time())
            calls_left.append((left / max(demand.cost, 1), demand))
        if pause:
            return pause
        for _, demand in sorted(calls_left, key=lambda each: each[0]):
            if not self._limiter.hit(demand.limit, *names, cost=demand.cost):
                return _MIN_PAUSE_SECONDS
        return None


def _per_minute(amount: int | None, of_what: str) -> RateLimitItem | None:
    return None if amount is None else RateLimitItemPerMinute(amount, namespace=of_what)
