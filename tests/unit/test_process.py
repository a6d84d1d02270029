"""One page, from its message to its completion."""

from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from checkpointing.inbox import Inbox
from checkpointing.models import Completion, FailedPage
from tests.support.fake_deployment import SCAN, STAGE, Shop, make_shop
from tests.support.stages import Stamp, stamp
from worker.llm.errors import ClaimLostError
from worker.pipeline.process_page import Outcome, process_page
from worker.queue.claims import Claims
from worker.queue.messages import PageMessage


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = make_shop(tmp_path / "scans", monkeypatch)
    made.write_scan()
    return made


def claim_of(shop: Shop, page: int) -> str:
    return shop.workshop.keys.claim(SCAN, STAGE, page)


def attempts_of(shop: Shop, page: int) -> int:
    count = shop.redis.hget(shop.workshop.keys.attempts(SCAN, STAGE), str(page))
    return int(count) if isinstance(count, bytes) else 0


def test_a_page_is_claimed_then_run_then_saved_then_handed_over(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    hand_over = Inbox.hand_over

    def act(page: int) -> Stamp:
        assert shop.redis.exists(claim_of(shop, page))
        assert attempts_of(shop, page) == 1
        assert not shop.output_path(page).exists()
        steps.append("run")
        return stamp(page)

    def look_and_hand_over(self: Inbox, *arguments: object) -> None:
        assert shop.output_path(2).exists()
        assert shop.redis.exists(claim_of(shop, 2))
        steps.append("hand over")
        hand_over(self, *arguments)  # type: ignore[arg-type]  # passed on as they came

    shop.stage.act = act
    monkeypatch.setattr(Inbox, "hand_over", look_and_hand_over)
    assert shop.process(2) is Outcome.COMPLETE
    assert steps == ["run", "hand over"]
    assert not shop.redis.exists(claim_of(shop, 2))
    (entry,) = shop.entries()
    assert isinstance(entry, Completion)
    assert (entry.page, entry.attempts, entry.schema_version) == (2, 1, "1")
    assert shop.workshop.outputs(SCAN, STAGE).holds(2, entry.sha256)
    assert entry.seconds is not None
    assert ":" in entry.worker


def test_a_page_with_a_valid_output_is_only_handed_over(shop: Shop) -> None:
    shop.completion(3)
    before = shop.output_path(3).stat().st_mtime_ns
    assert shop.process(3) is Outcome.ALREADY_COMPLETE
    assert shop.stage.runs == []
    assert shop.output_path(3).stat().st_mtime_ns == before
    assert [entry.page for entry in shop.entries()] == [3]
    assert attempts_of(shop, 3) == 0


@pytest.mark.parametrize("left", ["", "{", '{"page_number": 3}', '{"page_number": 4, "text": "another page"}'])
def test_a_page_with_an_output_that_does_not_count_is_done(shop: Shop, left: str) -> None:
    shop.output_path(3).parent.mkdir()
    shop.output_path(3).write_text(left)
    assert shop.process(3) is Outcome.COMPLETE
    assert Stamp.model_validate_json(shop.output_path(3).read_bytes()).text == stamp(3).text


def test_a_page_that_somebody_holds_is_left_to_them(shop: Shop) -> None:
    shop.redis.set(claim_of(shop, 1), "somebody", ex=60)
    assert shop.process(1) is Outcome.HELD
    assert shop.stage.runs == []
    assert shop.entries() == []
    assert attempts_of(shop, 1) == 0
    assert shop.redis.get(claim_of(shop, 1)) == b"somebody"


def test_a_result_is_dropped_when_somebody_else_has_the_page_by_then(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("worker.queue.claims._clock", lambda: clock[0])

    def lose_the_claim(page: int) -> Stamp:
        clock[0] += shop.settings.claim_seconds
        shop.redis.set(claim_of(shop, page), "somebody", ex=60)
        return stamp(page)

    shop.stage.act = lose_the_claim
    assert shop.process(1) is Outcome.HELD
    assert shop.entries() == []
    assert not shop.output_path(1).exists()
    assert shop.redis.get(claim_of(shop, 1)) == b"somebody"


def test_a_result_is_dropped_when_somebody_else_finished_the_page_meanwhile(shop: Shop) -> None:
    """A worker that is paused past its lease wakes up to a page that is complete, and whose claim is free."""

    def paused(page: int) -> Stamp:
        shop.redis.delete(claim_of(shop, page))
        shop.stage.act = lambda page: stamp(page, "by the other")
        other = process_page(shop.another_workshop(), PageMessage(scan_id=SCAN, stage=STAGE, page=page))
        assert other is Outcome.COMPLETE
        return stamp(page, "by the sleeper")

    shop.stage.act = paused
    shop.process(1)
    assert Stamp.model_validate_json(shop.output_path(1).read_bytes()).text == "by the other"
    assert len({entry.sha256 for entry in shop.entries() if isinstance(entry, Completion)}) == 1


def test_a_page_whose_claim_was_lost_before_its_call_is_left_to_the_other_worker(shop: Shop) -> None:
    def lose(_page: int) -> Stamp:
        raise ClaimLostError("the claim on page 1 was lost before its call was made")

    shop.stage.act = lose
    assert shop.process(1) is Outcome.HELD
    assert shop.entries() == []


def test_a_claim_that_redis_forgot_does_not_cost_the_result(shop: Shop) -> None:
    def flush(page: int) -> Stamp:
        shop.redis.flushall()
        return stamp(page)

    shop.stage.act = flush
    assert shop.process(1) is Outcome.COMPLETE
    assert [entry.page for entry in shop.entries()] == [1]


def test_a_page_that_killed_its_worker_each_time_is_quarantined(shop: Shop) -> None:
    shop.redis.hset(shop.workshop.keys.attempts(SCAN, STAGE), "1", "3")
    assert shop.process(1) is Outcome.QUARANTINED
    assert shop.stage.runs == []
    (entry,) = shop.entries()
    assert isinstance(entry, FailedPage)
    assert (entry.kind, entry.attempts) == ("crashed", 3)


def test_a_page_that_killed_its_worker_after_saving_is_complete_all_the_same(shop: Shop) -> None:
    shop.completion(1)
    shop.redis.hset(shop.workshop.keys.attempts(SCAN, STAGE), "1", "3")
    assert shop.process(1) is Outcome.ALREADY_COMPLETE


def test_ctrl_c_gives_the_page_back_and_goes_on_out(shop: Shop) -> None:
    def interrupted(_page: int) -> Stamp:
        raise KeyboardInterrupt

    shop.stage.act = interrupted
    with pytest.raises(KeyboardInterrupt):
        shop.process(1)
    assert not shop.redis.exists(claim_of(shop, 1))
    assert shop.entries() == []


def test_a_broker_that_is_away_is_said_to_the_caller(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise RedisConnectionError("away")

    monkeypatch.setattr(Claims, "take", away)
    with pytest.raises(RedisError):
        shop.process(1)
    assert shop.stage.runs == []


def test_two_workers_with_the_same_message_do_the_page_once(shop: Shop) -> None:
    def meet_the_other(page: int) -> Stamp:
        assert process_page(shop.another_workshop(), PageMessage(scan_id=SCAN, stage=STAGE, page=page)) is (
            Outcome.HELD
        )
        return stamp(page)

    shop.stage.act = meet_the_other
    assert shop.process(1) is Outcome.COMPLETE
    assert shop.stage.runs == [1]
