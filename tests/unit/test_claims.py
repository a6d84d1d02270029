"""Claims: one worker at a time has a page."""

import os
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.inbox import Inbox
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from tests.support.waiting import wait_until
from worker.keys import Keys
from worker.queue.claims import Claim, Claims
from worker.queue.dispatch import Dispatch

KEYS = Keys()
CLAIM = KEYS.claim(StageRef("book", "ocr"), 7)
LEASE_SECONDS = 9.0
SHORT_LEASE_SECONDS = 0.15


def claims(redis: Redis, seconds: float = LEASE_SECONDS, most_seconds: float = 60) -> Claims:
    return Claims(redis, KEYS, seconds, lambda ref: Dispatch(redis, KEYS, ref.stage), lambda _: most_seconds)


def test_a_claim_is_exclusive_and_free_again_after_the_work(redis: Redis) -> None:
    with claims(redis).take(StageRef("book", "ocr"), 7) as mine:
        assert mine is not None
        with claims(redis).take(StageRef("book", "ocr"), 7) as other:
            assert other is None
        assert redis.get(CLAIM) == mine.token.encode()
    with claims(redis).take(StageRef("book", "ocr"), 7) as next_one:
        assert next_one is not None
        assert next_one.attempt == 2


def test_claims_on_other_pages_stages_and_scans_do_not_get_in_the_way(redis: Redis) -> None:
    taker = claims(redis)
    with (
        taker.take(StageRef("book", "ocr"), 7) as one,
        taker.take(StageRef("book", "ocr"), 8) as two,
        taker.take(StageRef("book", "fix"), 7) as three,
        taker.take(StageRef("atlas", "ocr"), 7) as four,
    ):
        assert [claim and claim.attempt for claim in (one, two, three, four)] == [1, 1, 1, 1]


def test_the_attempts_of_each_page_are_counted_apart_and_only_by_those_who_get_it(redis: Redis) -> None:
    taker = claims(redis)
    for expected in (1, 2, 3):
        with taker.take(StageRef("book", "ocr"), 7) as claim:
            assert claim is not None
            assert claim.attempt == expected
            with taker.take(StageRef("book", "ocr"), 7) as other:
                assert other is None
    with taker.take(StageRef("book", "ocr"), 8) as fresh:
        assert fresh is not None
        assert fresh.attempt == 1


def test_an_attempt_given_back_is_not_counted(redis: Redis) -> None:
    for _ in range(3):
        with claims(redis).take(StageRef("book", "ocr"), 7) as claim:
            assert claim is not None
            assert claim.attempt == 1
            claim.uncount_attempt()


def test_an_attempt_given_back_after_a_flush_does_not_make_up_for_a_later_one(redis: Redis) -> None:
    with claims(redis).take(StageRef("book", "ocr"), 7) as claim:
        assert claim is not None
        redis.flushall()
        claim.uncount_attempt()
    with claims(redis).take(StageRef("book", "ocr"), 7) as again:
        assert again is not None
        assert again.attempt == 1


def test_a_claim_runs_out_when_its_holder_dies(redis: Redis) -> None:
    taker = claims(redis)
    with taker.take(StageRef("book", "ocr"), 7):
        assert 0 < redis.pttl(CLAIM) <= LEASE_SECONDS * 1000


def test_a_claim_is_renewed_for_as_long_as_the_work_goes_on(redis: Redis) -> None:
    with claims(redis, SHORT_LEASE_SECONDS).take(StageRef("book", "ocr"), 7) as claim:
        assert claim is not None
        for _ in range(3):
            redis.pexpire(CLAIM, 1000)
            wait_until(lambda: redis.pttl(CLAIM) <= SHORT_LEASE_SECONDS * 1000, 5, "a renewal")
        assert redis.get(CLAIM) == claim.token.encode()


def test_a_claim_that_another_worker_has_by_now_is_lost_and_stays_there(redis: Redis) -> None:
    with claims(redis).take(StageRef("book", "ocr"), 7) as claim:
        assert claim is not None
        redis.set(CLAIM, "theirs", ex=60)
        assert not claim.renew()
        redis.delete(CLAIM)
        assert not claim.renew(), "what was lost stays lost"
        redis.set(CLAIM, "theirs", ex=60)
    assert redis.get(CLAIM) == b"theirs"


def test_a_claim_that_redis_forgot_is_taken_again(redis: Redis) -> None:
    with claims(redis).take(StageRef("book", "ocr"), 7) as claim:
        assert claim is not None
        redis.flushall()
        assert claim.renew()
        assert redis.get(CLAIM) == claim.token.encode()


def test_a_renewal_that_comes_after_the_release_does_not_take_the_page_again(redis: Redis) -> None:
    with claims(redis).take(StageRef("book", "ocr"), 7) as claim:
        assert claim is not None
        claim.release()
        assert not claim.renew()
        assert not redis.exists(CLAIM)


def test_a_claim_is_released_together_with_what_is_handed_over(redis: Redis) -> None:
    inbox = Inbox(redis, KEYS, StageRef("book", "ocr"))
    with claims(redis).take(StageRef("book", "ocr"), 7) as claim:
        assert claim is not None
        claim.hand_over(FailedPage(page=7, kind="torn", message="torn"), inbox)
        assert not redis.exists(CLAIM)
        assert inbox.pages() == {7}
        redis.set(CLAIM, "the next one's", ex=60)
    assert redis.get(CLAIM) == b"the next one's"


def test_what_is_handed_over_under_a_lost_claim_leaves_that_of_the_next_one(redis: Redis) -> None:
    with claims(redis).take(StageRef("book", "ocr"), 7) as claim:
        assert claim is not None
        redis.set(CLAIM, "theirs", ex=60)
        claim.hand_over(
            FailedPage(page=7, kind="torn", message="torn"), Inbox(redis, KEYS, StageRef("book", "ocr"))
        )
    assert redis.get(CLAIM) == b"theirs"


def test_redis_is_not_asked_again_just_after_it_said_that_a_claim_is_ours(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("worker.queue.claims._clock", lambda: clock[0])
    with claims(redis).take(StageRef("book", "ocr"), 7) as claim:
        assert claim is not None
        redis.set(CLAIM, "theirs", ex=60)
        clock[0] += LEASE_SECONDS / 3 - 0.1
        assert claim.is_ours(), "nobody can have it so soon"
        clock[0] += 0.2
        assert not claim.is_ours()
        assert not claim.is_ours()


def test_a_claim_is_kept_no_longer_than_a_page_may_take(redis: Redis) -> None:
    """Work that hangs where nothing can stop it must not keep its page for ever."""
    with claims(redis, SHORT_LEASE_SECONDS, most_seconds=0.3).take(StageRef("book", "ocr"), 7):
        wait_until(lambda: not redis.exists(CLAIM), 5, "the claim to run out")


def test_a_claim_is_released_when_the_work_raises(redis: Redis) -> None:
    def work() -> None:
        with claims(redis).take(StageRef("book", "ocr"), 7):
            raise ValueError("bad luck")

    with pytest.raises(ValueError, match="bad luck"):
        work()
    assert not redis.exists(CLAIM)


def test_a_broker_that_is_away_at_the_end_does_not_hide_how_the_work_went(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise RedisConnectionError("away")

    taker = claims(redis)
    with taker.take(StageRef("book", "ocr"), 7) as claim:
        assert claim is not None
        monkeypatch.setattr("checkpointing.lease._KEEP_FOR", away)
    assert redis.exists(CLAIM), "it runs out by itself"


def test_a_page_that_begins_is_neither_waiting_nor_dispatched_any_more(redis: Redis) -> None:
    redis.zadd(KEYS.waiting(StageRef("book", "ocr")), {"7": 7, "8": 8})
    redis.sadd(KEYS.dispatched(StageRef("book", "ocr")), 6, 7)
    with claims(redis).take(StageRef("book", "ocr"), 7):
        assert redis.zrange(KEYS.waiting(StageRef("book", "ocr")), 0, -1) == [b"8"]
        assert redis.smembers(KEYS.dispatched(StageRef("book", "ocr"))) == {b"6"}


# From Python 3.12 on a fork beside threads is warned about; it is what this test is about.
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_renews_its_own_claims_and_not_its_parents(redis: Redis, tmp_path: Path) -> None:
    """The child of a pool has none of its parent's threads, and must not think that it has."""
    taker = claims(redis, SHORT_LEASE_SECONDS)
    with taker.take(StageRef("book", "ocr"), 7):
        child = os.fork()
        if not child:
            _renew_in_child(taker, tmp_path / "renewed")
        assert os.waitpid(child, 0)[1] == 0
    assert (tmp_path / "renewed").read_text() == "8"


def _renew_in_child(taker: Claims, report: Path) -> None:
    """Never returns: whatever happens, the child must not run the rest of the tests."""
    try:
        renewed: list[int] = []

        def renew(claim: Claim) -> bool:
            renewed.append(claim.page)
            return True

        Claim.renew = renew  # type: ignore[method-assign]  # the child must not use its parent's connection
        with taker.take(StageRef("book", "ocr"), 8):
            wait_until(lambda: len(renewed) >= 3, 5, "renewals in the child")
        report.write_text(",".join(map(str, sorted(set(renewed)))))
        os._exit(0)
    finally:
        os._exit(1)
