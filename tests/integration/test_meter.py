"""Meter and rate limits against a real server, with many who ask at once."""

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable

from redis import Redis

from checkpointing.money import Money
from producer.run.embedded_broker import EmbeddedBroker
from tests.support.waiting import HANG_SECONDS
from worker.billing.meter import Count, Meter, Reading, Reserved
from worker.llm.rate_limits import RateLimits

micro = Money.from_micro

KEY = "leafmark:meter:book"
PREFIX = "leafmark:rates"
THREADS = 8
# Prints how many calls went. One of two processes that ask until there is no room.
ASK_UNTIL_THERE_IS_NO_ROOM = f"""
import sys
from redis import Redis
from worker.llm.rate_limits import RateLimits

with Redis.from_url(sys.argv[1]) as redis:
    limits = RateLimits(redis, {PREFIX!r}, 40, None)
    print("ready", flush=True)
    sys.stdin.readline()
    gone = 0
    while limits.wait_for_turn("api.example", "small", 1, 0):
        gone += 1
    print(gone)
"""


def at_once(run: Callable[[int], None]) -> None:
    """Run something in many threads that all begin at the same moment; its number tells each who it is."""
    together = threading.Barrier(THREADS)
    failed: list[Exception] = []

    def begin(number: int) -> None:
        together.wait(HANG_SECONDS)
        try:
            run(number)
        except Exception as error:  # noqa: BLE001  # the test's thread tells of it
            failed.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []


def test_many_who_spend_at_once_never_pass_the_budget(redis: Redis) -> None:
    budget, billed = 10_000, [0] * THREADS
    Meter(redis, KEY).refill(lambda: Count(micro(0), {}))

    def spend(number: int) -> None:
        meter, chance = Meter(redis, KEY), random.Random(number)
        answer, asked = Reserved.GRANTED, 0
        while answer is not Reserved.REACHED:
            attempt, most = f"{number:02d}{asked:014x}", chance.randint(50, 150)
            asked += 1
            answer = meter.reserve(attempt, micro(most), micro(budget))
            reading = meter.read()
            assert reading is not None
            assert reading.total <= micro(budget)
            if answer is Reserved.GRANTED:
                cost = chance.randint(0, most)
                billed[number] += cost
                meter.settle(attempt, micro(cost))
            else:
                meter.cancel(attempt)

    at_once(spend)
    assert Meter(redis, KEY).read() == Reading(micro(sum(billed)), micro(0))
    assert budget - 150 < sum(billed) <= budget


def test_many_who_find_the_meter_empty_count_every_call_once(redis: Redis) -> None:
    disk: dict[str, Money] = {}
    noted = threading.Barrier(THREADS)

    def reserve(number: int) -> None:
        meter, attempt = Meter(redis, KEY), f"{number:016x}"
        disk[attempt] = micro(10)
        noted.wait(HANG_SECONDS)
        while meter.reserve(attempt, micro(10), micro(100)) is not Reserved.GRANTED:
            meter.refill(lambda: Count(micro(20), dict(disk)))

    at_once(reserve)
    assert Meter(redis, KEY).read() == Reading(micro(20), micro(10 * THREADS))


def test_the_meter_of_another_server_process_is_empty(redis: Redis) -> None:
    """As it would be after a restart from data that lacks the last second."""
    meter = Meter(redis, KEY)
    assert meter.refill(lambda: Count(micro(5), {}))
    assert redis.hget(KEY, "server") == redis.info("server")["run_id"].encode()
    redis.hset(KEY, "server", "0" * 40)
    assert meter.reserve("a", micro(1), micro(100)) is Reserved.EMPTY


def test_the_largest_amounts_are_exact(redis: Redis) -> None:
    meter, most = Meter(redis, KEY), 10**15
    meter.refill(lambda: Count(micro(most - 7), {"a": micro(5)}))
    assert meter.reserve("b", micro(3), micro(most)) is Reserved.WAIT
    assert meter.reserve("b", micro(2), micro(most)) is Reserved.GRANTED
    meter.settle("a", micro(4))
    assert meter.read() == Reading(micro(most - 3), micro(2))


def test_threads_that_ask_at_once_get_no_more_calls_and_tokens_than_a_minute_may_have(redis: Redis) -> None:
    gone = [0] * THREADS

    def ask(number: int) -> None:
        limits = RateLimits(redis, PREFIX, 50, 1000)
        while limits.wait_for_turn("api.example", "small", 30, 0):
            gone[number] += 1

    at_once(ask)
    # A thread that loses the race for the second limit has taken from the first in vain.
    assert 0 < sum(gone) <= 1000 // 30


def test_processes_that_ask_at_once_get_no_more_calls_than_a_minute_may_have(broker: EmbeddedBroker) -> None:
    command = [sys.executable, "-c", ASK_UNTIL_THERE_IS_NO_ROOM, broker.url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as two:
        assert [each.stdout.readline() for each in (one, two)] == ["ready\n"] * 2
        for each in (one, two):
            each.stdin.write("go\n")
            each.stdin.flush()
        gone = [json.loads(each.communicate(timeout=HANG_SECONDS)[0]) for each in (one, two)]
    assert sum(gone) == 40
