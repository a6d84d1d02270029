"""The breaker of one model: a handful of failures, a pause for all, a trial."""

from collections.abc import Callable

import pytest
from fakeredis import FakeRedis

from worker.llm.circuit_breaker import CALLS_IN_A_ROW, Breaker, Failures

KEY = "breaker"


def worker(redis: FakeRedis, pause: float = 60.0, trial: float = 60.0) -> Breaker:
    """The breaker as one worker of many has it."""
    return Breaker(redis, KEY, trial, first_pause_seconds=pause)


def fail(redis: FakeRedis, times: int = CALLS_IN_A_ROW, pause: float = 60.0) -> Failures:
    for call in range(times):
        breaker = worker(redis, pause)
        assert breaker.enter(str(call))
        failures = breaker.failed(str(call), f"504, call {call}")
    return failures


def over(redis: FakeRedis, name: str = "until") -> None:
    """Let a pause, or a trial, come to its end."""
    assert redis.hexists(KEY, name)
    redis.hset(KEY, name, 1)


def test_calls_are_let_through_while_all_is_well(redis: FakeRedis) -> None:
    for call in range(20):
        assert worker(redis).enter(str(call))
        worker(redis).answered()
    assert worker(redis).left_seconds() == 0
    assert worker(redis).silence() is None
    assert not redis.keys()


def test_a_handful_of_failures_of_any_workers_keeps_all_away(redis: FakeRedis) -> None:
    assert fail(redis) == Failures(CALLS_IN_A_ROW, 1, all_foreign=False)
    assert 50 < worker(redis).left_seconds() <= 60
    assert not worker(redis).enter("next")


def test_an_answer_between_failures_starts_the_count_anew(redis: FakeRedis) -> None:
    fail(redis, CALLS_IN_A_ROW - 1)
    worker(redis).answered()
    assert fail(redis, CALLS_IN_A_ROW - 1).in_a_row == CALLS_IN_A_ROW - 1
    assert worker(redis).left_seconds() == 0


def test_after_the_pause_one_call_is_a_trial_and_its_answer_lets_all_through(redis: FakeRedis) -> None:
    fail(redis)
    over(redis)
    assert worker(redis).left_seconds() == 0
    assert worker(redis).enter("trial")
    assert not worker(redis).enter("another")
    assert worker(redis).left_seconds() > 0
    worker(redis).answered()
    assert worker(redis).enter("another")
    assert worker(redis).enter("yet another")


def test_a_trial_that_fails_doubles_the_pause(redis: FakeRedis) -> None:
    fail(redis)
    over(redis)
    assert worker(redis).enter("trial")
    assert worker(redis).failed("trial", "504").opens == 2
    assert 110 < worker(redis).left_seconds() <= 120


def test_pauses_do_not_grow_beyond_what_suits_their_price(redis: FakeRedis) -> None:
    for billed, longest in ((True, 300), (False, 30)):
        fail(redis, pause=5.0)
        for _ in range(40):
            over(redis)
            assert worker(redis, 5.0).enter("trial")
            worker(redis, 5.0).failed("trial", "504", may_have_been_billed=billed)
        assert longest - 10 < worker(redis).left_seconds() <= longest
        worker(redis).answered()


def test_a_provider_that_says_how_long_is_left_alone_for_so_long(redis: FakeRedis) -> None:
    breaker = worker(redis)
    for call in range(CALLS_IN_A_ROW):
        breaker.failed(str(call), "503", retry_after_seconds=500.0)
    assert 490 < breaker.left_seconds() <= 500


def test_calls_that_were_under_way_when_it_opened_lengthen_no_pause(redis: FakeRedis) -> None:
    fail(redis)
    for call in range(60):
        failures = worker(redis).failed(f"late {call}", "504")
    assert failures == Failures(CALLS_IN_A_ROW + 60, 1, all_foreign=False)
    assert worker(redis).left_seconds() <= 60


def test_a_late_answer_of_a_call_that_was_under_way_closes_it(redis: FakeRedis) -> None:
    fail(redis)
    worker(redis).answered()
    assert worker(redis).enter("next")


def test_rate_limits_are_told_and_open_nothing(redis: FakeRedis) -> None:
    for call in range(50):
        failures = worker(redis).failed(str(call), "429", is_outage=False)
    assert failures.in_a_row == 50
    assert worker(redis).left_seconds() == 0


def test_only_an_unbroken_row_of_foreign_answers_is_foreign(redis: FakeRedis) -> None:
    breaker = worker(redis)
    assert breaker.failed("a", "a page", is_foreign=True).all_foreign
    assert breaker.failed("b", "a page", is_foreign=True).all_foreign
    assert not breaker.failed("c", "504").all_foreign
    assert not breaker.failed("d", "a page", is_foreign=True).all_foreign


def test_a_trial_that_was_not_made_leaves_the_place_to_another(redis: FakeRedis) -> None:
    fail(redis)
    over(redis)
    assert worker(redis).enter("trial")
    worker(redis).leave("somebody else's")
    assert not worker(redis).enter("another")
    worker(redis).leave("trial")
    assert worker(redis).enter("another")


def test_a_trial_whose_worker_died_is_forgotten_after_its_time(redis: FakeRedis) -> None:
    fail(redis)
    over(redis)
    assert worker(redis).enter("trial")
    over(redis, "trial_until")
    assert worker(redis).enter("another")


def test_a_flush_forgets_everything(redis: FakeRedis) -> None:
    fail(redis)
    redis.flushall()
    assert worker(redis).enter("next")
    assert fail(redis).opens == 1


def test_it_tells_how_often_since_when_and_why(redis: FakeRedis) -> None:
    fail(redis, 3)
    silence = worker(redis).silence()
    assert silence is not None
    assert (silence.count, silence.said) == (3, "504, call 2")
    assert 0 <= silence.seconds < 30
    assert silence.since <= silence.last


FORGERIES: list[Callable[[FakeRedis], object]] = [
    lambda redis: redis.set(KEY, "forged"),
    lambda redis: redis.rpush(KEY, "forged"),
    lambda redis: redis.sadd(KEY, "forged"),
    lambda redis: redis.zadd(KEY, {"forged": 1}),
    lambda redis: redis.hset(
        KEY, mapping=dict.fromkeys(("failures", "since", "until", "trial_until", "opens", "outages"), "forged")
    ),
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_something_else_in_its_place_stops_no_call(redis: FakeRedis, forge: Callable[[FakeRedis], object]) -> None:
    def forged() -> Breaker:
        redis.delete(KEY)
        forge(redis)
        return worker(redis)

    assert forged().left_seconds() == 0
    assert forged().silence() is None
    assert forged().enter("a")
    forged().leave("a")
    assert forged().failed("a", "504").in_a_row == 1
    forged().answered()
    assert not redis.exists(KEY)
