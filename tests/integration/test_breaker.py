"""The breaker against a real server: many workers that fail at once, and what does not belong at its key."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from worker.llm.circuit_breaker import CALLS_IN_A_ROW, Breaker

KEY = "leafmark:breaker:provider/model"
WORKERS = 16


def test_many_workers_open_it_once_and_one_of_them_makes_the_trial(redis: Redis) -> None:
    def call(name: int) -> bool:
        breaker = Breaker(redis, KEY, 60.0)
        entered = breaker.enter(str(name))
        if entered:
            breaker.failed(str(name), f"504, call {name}")
        return entered

    with ThreadPoolExecutor(WORKERS) as pool:
        made = list(pool.map(call, range(200)))
        assert CALLS_IN_A_ROW <= sum(made) < CALLS_IN_A_ROW + WORKERS
        assert 4 < Breaker(redis, KEY, 60.0).left_seconds() <= 5
        redis.hset(KEY, "until", 1)
        entered = pool.map(lambda name: Breaker(redis, KEY, 60.0).enter(f"trial {name}"), range(200))
        assert sum(entered) == 1
    silence = Breaker(redis, KEY, 60.0).silence()
    assert silence is not None
    assert silence.count == sum(made)
    assert 0 < redis.ttl(KEY) <= 86_400


@pytest.mark.parametrize("kind", ["string", "list", "set", "zset"])
def test_something_of_another_type_at_its_key_is_deleted(redis: Redis, kind: str) -> None:
    forge = {
        "string": lambda: redis.set(KEY, "forged"),
        "list": lambda: redis.rpush(KEY, "forged"),
        "set": lambda: redis.sadd(KEY, "forged"),
        "zset": lambda: redis.zadd(KEY, {"forged": 1}),
    }
    redis.delete(KEY)
    forge[kind]()
    breaker = Breaker(redis, KEY, 60.0)
    assert breaker.enter("a")
    assert breaker.failed("a", "504").in_a_row == 1
    breaker.answered()
    assert not redis.exists(KEY)
