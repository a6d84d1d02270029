"""One page, from its message to its completion."""

import time

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from checkpointing.inbox import Inbox
from checkpointing.messages import Completion
from checkpointing.page_records import FailedPage
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, page_parts
from tests.support.stages import Stamp, stamp
from worker.llm.errors import ClaimLostError
from worker.pipeline.cpu_clock import cpu_clock
from worker.pipeline.process_page import process_page
from worker.queue.claims import Claims
from worker.queue.messages import Outcome, PageMessage


def claim_of(fake: FakeDeployment, page: int) -> str:
    return fake.parts.queues.keys.claim(REF, page)


def attempts_of(fake: FakeDeployment, page: int) -> int:
    count = fake.redis.hget(fake.parts.queues.keys.attempts(REF), str(page))
    return int(count) if isinstance(count, bytes) else 0


def test_a_page_is_claimed_then_run_then_saved_then_handed_over(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    hand_over = Inbox.hand_over

    def act(page: int) -> Stamp:
        assert fake.redis.exists(claim_of(fake, page))
        assert attempts_of(fake, page) == 1
        assert not fake.output_path(page).exists()
        steps.append("run")
        return stamp(page)

    def look_and_hand_over(self: Inbox, *arguments: object) -> None:
        assert fake.output_path(2).exists()
        assert fake.redis.exists(claim_of(fake, 2))
        steps.append("hand over")
        hand_over(self, *arguments)  # type: ignore[arg-type]  # passed on as they came

    fake.stage.act = act
    monkeypatch.setattr(Inbox, "hand_over", look_and_hand_over)
    assert fake.process(2) is Outcome.COMPLETE
    assert steps == ["run", "hand over"]
    assert not fake.redis.exists(claim_of(fake, 2))
    (entry,) = fake.entries()
    assert isinstance(entry, Completion)
    assert (entry.page, entry.attempts, entry.schema_version) == (2, 1, "1")
    assert fake.parts.store.outputs(REF).holds(2, entry.sha256)
    assert entry.seconds is not None
    assert ":" in entry.worker


def test_the_cpu_time_of_a_page_is_recorded_in_the_checkpoint(fake: FakeDeployment) -> None:
    def act(page: int) -> Stamp:
        until = time.process_time() + 0.02
        while time.process_time() < until:
            pass
        return stamp(page)

    fake.stage.act = act
    fake.ask_for((1, 2))
    fake.process(2)
    (entry,) = fake.entries()
    assert "cpu_seconds" not in entry.model_dump_json(), "an older coordinator refuses fields that it does not know"
    fake.commit()
    found = fake.checkpoint().pages[2].cpu_seconds
    assert found is not None
    assert found >= 0.02


def test_the_cpu_time_of_pages_that_a_process_does_at_once_is_not_known() -> None:
    with cpu_clock() as first:
        assert first() is not None
        with cpu_clock() as second:
            assert second() is None
        assert first() is None
    with cpu_clock() as third:
        assert third() is not None


def test_a_page_with_a_valid_output_is_only_handed_over(fake: FakeDeployment) -> None:
    fake.completion(3)
    before = fake.output_path(3).stat().st_mtime_ns
    assert fake.process(3) is Outcome.ALREADY_COMPLETE
    assert fake.stage.runs == []
    assert fake.output_path(3).stat().st_mtime_ns == before
    assert [entry.page for entry in fake.entries()] == [3]
    assert attempts_of(fake, 3) == 0


@pytest.mark.parametrize("left", ["", "{", '{"page_number": 3}', '{"page_number": 4, "text": "another page"}'])
def test_a_page_with_an_output_that_does_not_count_is_done(fake: FakeDeployment, left: str) -> None:
    fake.output_path(3).parent.mkdir()
    fake.output_path(3).write_text(left)
    assert fake.process(3) is Outcome.COMPLETE
    assert Stamp.model_validate_json(fake.output_path(3).read_bytes()).text == stamp(3).text


def test_a_page_that_another_worker_holds_is_left_to_it(fake: FakeDeployment) -> None:
    fake.redis.set(claim_of(fake, 1), "somebody", ex=60)
    assert fake.process(1) is Outcome.HELD
    assert fake.stage.runs == []
    assert fake.entries() == []
    assert attempts_of(fake, 1) == 0
    assert fake.redis.get(claim_of(fake, 1)) == b"somebody"


def test_a_result_is_dropped_when_another_worker_has_the_page_by_then(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("worker.queue.claims._clock", lambda: clock[0])

    def lose_the_claim(page: int) -> Stamp:
        clock[0] += fake.settings.claim_seconds
        fake.redis.set(claim_of(fake, page), "somebody", ex=60)
        return stamp(page)

    fake.stage.act = lose_the_claim
    assert fake.process(1) is Outcome.HELD
    assert fake.entries() == []
    assert not fake.output_path(1).exists()
    assert fake.redis.get(claim_of(fake, 1)) == b"somebody"


def test_a_result_is_dropped_when_another_worker_finished_the_page_meanwhile(fake: FakeDeployment) -> None:
    """A worker that is paused past its lease wakes up to a page that is complete, and whose claim is free."""

    def paused(page: int) -> Stamp:
        fake.redis.delete(claim_of(fake, page))
        fake.stage.act = lambda page: stamp(page, "by the other")
        other = process_page(*page_parts(fake.another_process()), PageMessage(scan_id=SCAN, stage=STAGE, page=page))
        assert other is Outcome.COMPLETE
        return stamp(page, "by the sleeper")

    fake.stage.act = paused
    fake.process(1)
    assert Stamp.model_validate_json(fake.output_path(1).read_bytes()).text == "by the other"
    assert len({entry.sha256 for entry in fake.entries() if isinstance(entry, Completion)}) == 1


def test_a_page_whose_claim_was_lost_before_its_call_is_left_to_the_other_worker(fake: FakeDeployment) -> None:
    def lose(_page: int) -> Stamp:
        raise ClaimLostError("the claim on page 1 was lost before its call was made")

    fake.stage.act = lose
    assert fake.process(1) is Outcome.HELD
    assert fake.entries() == []


def test_a_claim_that_redis_forgot_does_not_cost_the_result(fake: FakeDeployment) -> None:
    def flush(page: int) -> Stamp:
        fake.redis.flushall()
        return stamp(page)

    fake.stage.act = flush
    assert fake.process(1) is Outcome.COMPLETE
    assert [entry.page for entry in fake.entries()] == [1]


def test_a_page_that_killed_its_worker_each_time_is_quarantined(fake: FakeDeployment) -> None:
    fake.redis.hset(fake.parts.queues.keys.attempts(REF), "1", "3")
    assert fake.process(1) is Outcome.QUARANTINED
    assert fake.stage.runs == []
    (entry,) = fake.entries()
    assert isinstance(entry, FailedPage)
    assert (entry.kind, entry.attempts) == ("crashed", 3)


def test_a_page_that_killed_its_worker_after_saving_is_complete_all_the_same(fake: FakeDeployment) -> None:
    fake.completion(1)
    fake.redis.hset(fake.parts.queues.keys.attempts(REF), "1", "3")
    assert fake.process(1) is Outcome.ALREADY_COMPLETE


def test_ctrl_c_gives_the_page_back_and_goes_on_out(fake: FakeDeployment) -> None:
    def interrupted(_page: int) -> Stamp:
        raise KeyboardInterrupt

    fake.stage.act = interrupted
    with pytest.raises(KeyboardInterrupt):
        fake.process(1)
    assert not fake.redis.exists(claim_of(fake, 1))
    assert fake.entries() == []


def test_a_broker_that_is_away_is_said_to_the_caller(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise RedisConnectionError("away")

    monkeypatch.setattr(Claims, "take", away)
    with pytest.raises(RedisError):
        fake.process(1)
    assert fake.stage.runs == []


def test_two_workers_with_the_same_message_do_the_page_once(fake: FakeDeployment) -> None:
    def meet_the_other(page: int) -> Stamp:
        assert process_page(
            *page_parts(fake.another_process()), PageMessage(scan_id=SCAN, stage=STAGE, page=page)
        ) is (Outcome.HELD)
        return stamp(page)

    fake.stage.act = meet_the_other
    assert fake.process(1) is Outcome.COMPLETE
    assert fake.stage.runs == [1]
