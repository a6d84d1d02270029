"""Rate limits: calls and tokens a minute, counted together by all, with time that passes when a test says so."""

from collections.abc import Callable

import pytest
from fakeredis import FakeServer
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from worker.llm.rate_limits import RateLimits

PREFIX = "leafmark:rates"
PROVIDER, MODEL = "api.example", "small"


class Time:
    """Time as the limits see it: whoever waits lets it pass, and what Redis keeps comes closer to its end."""

    def __init__(self, redis: Redis) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self._redis = redis

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.waits.append(seconds)
        for key in self._redis.scan_iter():
            left = self._redis.pttl(key) - round(seconds * 1000)
            if left > 0:
                self._redis.pexpire(key, left)
            else:
                self._redis.delete(key)


@pytest.fixture
def time(redis: Redis) -> Time:
    return Time(redis)


@pytest.fixture
def make(redis: Redis, time: Time) -> Callable[[int | None, int | None], RateLimits]:
    return lambda requests, tokens: RateLimits(redis, PREFIX, requests, tokens, clock=lambda: time.now)


Make = Callable[[int | None, int | None], RateLimits]


def take(limits: RateLimits, time: Time, tokens: int = 10, seconds: float = 0, model: str = MODEL) -> bool:
    return limits.wait_for_turn(PROVIDER, model, tokens, seconds, time.wait)


def test_without_limits_every_call_goes_and_redis_is_not_asked(make: Make, time: Time, server: FakeServer) -> None:
    server.connected = False
    assert take(make(None, None), time, tokens=10**9)
    assert time.waits == []


def test_as_many_calls_go_at_once_as_a_minute_may_have(make: Make, time: Time) -> None:
    one, other = make(3, None), make(3, None)
    assert [take(one, time), take(other, time), take(one, time)] == [True] * 3
    assert [take(one, time), take(other, time)] == [False] * 2
    assert time.waits == []


def test_tokens_are_limited_likewise(make: Make, time: Time) -> None:
    limits = make(None, 100)
    assert take(limits, time, tokens=60)
    assert not take(limits, time, tokens=41)
    assert take(limits, time, tokens=40)
    assert not take(limits, time, tokens=1)


def test_a_call_that_waits_goes_once_there_is_room(make: Make, time: Time) -> None:
    limits = make(3, 1000)
    for _ in range(3):
        assert take(limits, time, tokens=300)
    assert take(limits, time, tokens=300, seconds=200)
    assert 60 < time.now < 110
    assert len(time.waits) < 10, "nobody asks all the time"


def test_over_ten_minutes_as_many_calls_go_as_may(make: Make, time: Time) -> None:
    limits = make(6, None)
    gone = 0
    while time.now < 600:
        gone += take(limits, time, seconds=600)
    assert 50 <= gone <= 6 + 60


def test_a_call_whose_turn_comes_too_late_gives_up_at_once(make: Make, time: Time) -> None:
    limits = make(1, None)
    assert take(limits, time)
    assert not take(limits, time, seconds=20)
    assert time.waits == []


def test_one_limit_that_refuses_leaves_the_other_alone(make: Make, time: Time) -> None:
    limits = make(2, 100)
    assert take(limits, time, tokens=100)
    assert not take(limits, time, tokens=1), "no tokens"
    assert take(limits, time, tokens=0), "the second request is still there"
    limits = make(1, 50)
    assert take(limits, time, tokens=1)
    assert not take(limits, time, tokens=49), "no requests"
    assert take(make(None, 50), time, tokens=49), "the tokens are still there"


def test_who_loses_a_race_for_the_scarcer_limit_has_taken_nothing_of_the_other(
    make: Make, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = make(1, 100)
    stats = limits._limiter.get_window_stats(limits._requests, PROVIDER, MODEL)
    assert take(limits, time, tokens=10)
    with monkeypatch.context() as before_the_other_took_it:
        before_the_other_took_it.setattr(limits._limiter, "get_window_stats", lambda *_: stats)
        assert not take(limits, time, tokens=1)
    assert take(make(None, 100), time, tokens=90)


def test_a_call_larger_than_a_minute_of_tokens_goes_alone(make: Make, time: Time) -> None:
    limits = make(None, 100)
    assert take(limits, time, tokens=5000)
    assert not take(limits, time, tokens=1)
    assert take(limits, time, tokens=5000, seconds=300)
    assert time.now >= 60


def test_models_have_limits_of_their_own(make: Make, time: Time) -> None:
    limits = make(1, None)
    assert take(limits, time, model="small")
    assert take(limits, time, model="large")
    assert not take(limits, time, model="small")


def test_every_key_starts_with_the_prefix_and_runs_out(make: Make, time: Time, redis: Redis) -> None:
    take(make(5, 100), time)
    keys = redis.keys()
    assert len(keys) == 2
    assert all(key.startswith(PREFIX.encode()) and 0 < redis.ttl(key) <= 120 for key in keys)


def test_who_is_stopped_while_waiting_holds_nothing(make: Make, time: Time, redis: Redis) -> None:
    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    limits = make(1, 100)
    assert take(limits, time, tokens=10)
    before = {key: redis.get(key) for key in redis.scan_iter()}
    with pytest.raises(KeyboardInterrupt):
        limits.wait_for_turn(PROVIDER, MODEL, 10, 600, stop)
    assert {key: redis.get(key) for key in redis.scan_iter()} == before


def test_while_the_broker_is_away_nothing_goes(make: Make, time: Time, server: FakeServer) -> None:
    limits = make(5, None)
    server.connected = False
    with pytest.raises(RedisConnectionError):
        take(limits, time)


FORGED_COUNTERS: dict[str, Callable[[Redis, str], object]] = {
    "text": lambda redis, key: redis.set(key, "text", ex=100),
    "a count without an end": lambda redis, key: redis.set(key, "1000"),
    "a count of years": lambda redis, key: redis.set(key, "1000", ex=10**9),
    "a list": lambda redis, key: redis.rpush(key, "forged"),
    "a set": lambda redis, key: redis.sadd(key, "forged"),
    "a sorted set": lambda redis, key: redis.zadd(key, {"forged": 1}),
    "a hash": lambda redis, key: redis.hset(key, "forged", "x"),
    "a stream": lambda redis, key: redis.xadd(key, {"forged": "x"}),
}


@pytest.mark.parametrize("forge", [pytest.param(forge, id=name) for name, forge in FORGED_COUNTERS.items()])
def test_a_forged_counter_is_forgotten_and_does_not_keep_calls_waiting(
    redis: Redis, make: Make, time: Time, forge: Callable[[Redis, str], object]
) -> None:
    limits = make(2, 1000)
    assert take(limits, time)
    counters = [key.decode() for key in redis.scan_iter()]
    assert counters
    for key in counters:
        redis.delete(key)
        forge(redis, key)
    assert take(limits, time)
    assert take(limits, time)
    assert not take(limits, time), "what is counted from then on counts"
