"""Cancel: what waits is dropped, what is complete stays, and enqueue goes on from there."""

from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.errors import BrokerError, StorageError, UnknownNameError
from checkpointing.refs import StageRef
from checkpointing.status import Status
from producer.planning.cancel import cancel, cancel_all
from producer.planning.enqueue import enqueue, requests_through
from producer.planning.request import Request
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake, reconciler_at_work
from tests.support.stages import CopyStage, Stamp, raising, stamp
from tests.support.waiting import wait_until
from worker.pipeline import stage_flow as flow
from worker.queue.messages import Outcome
from worker.queue.page_queue import PageQueue
from worker.reconciler.recovery import PageRecovery
from worker.stages.registry import STAGES

COPY = CopyStage.name


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    made = make_fake(tmp_path / "scans", monkeypatch, heal_seconds=0.2)
    made.write_scan(pages=30)
    monkeypatch.setattr("producer.planning.preconditions.check_broker", lambda _settings: None)
    return made


def test_what_waits_is_dropped_and_what_is_complete_stays(fake: FakeDeployment) -> None:
    enqueue(fake.parts, Request(SCAN, STAGE))
    fake.process_next()
    fake.commit()
    done = cancel(fake.parts, REF)
    assert done is not None
    assert (done.dropped, done.running_pages) == (29, [])
    assert done.summary == "1 of 30 pages complete"
    assert fake.checkpoint().status is Status.CANCELLED
    assert fake.checkpoint().completed_pages == [1]
    assert fake.waiting_pages() == []
    assert fake.open_stages.all() == []


def test_enqueue_goes_on_from_there(fake: FakeDeployment) -> None:
    enqueue(fake.parts, Request(SCAN, STAGE))
    fake.process_next()
    fake.commit()
    cancel(fake.parts, REF)
    assert enqueue(fake.parts, Request(SCAN, STAGE)).enqueued == list(range(2, 31))
    assert fake.checkpoint().status is Status.IN_PROGRESS


def test_a_page_in_hand_is_finished_and_counted_and_the_stage_stays_cancelled(fake: FakeDeployment) -> None:
    def cancelled_meanwhile(page: int) -> Stamp:
        done = cancel(fake.parts, REF)
        assert done is not None
        assert (done.dropped, done.running_pages) == (29, [page])
        return stamp(page)

    enqueue(fake.parts, Request(SCAN, STAGE))
    fake.stage.act = cancelled_meanwhile
    assert fake.process_next() is Outcome.COMPLETE
    fake.commit()
    assert fake.checkpoint().completed_pages == [1]
    assert fake.checkpoint().status is Status.CANCELLED


def test_a_page_in_hand_that_was_the_last_one_makes_the_stage_complete(fake: FakeDeployment) -> None:
    def cancelled_meanwhile(page: int) -> Stamp:
        cancel(fake.parts, REF)
        return stamp(page)

    enqueue(fake.parts, Request(SCAN, STAGE))
    for _ in range(29):
        fake.process_next()
    fake.stage.act = cancelled_meanwhile
    fake.process_next()
    fake.commit()
    assert fake.checkpoint().status is Status.COMPLETED


def test_a_page_in_hand_that_fails_is_not_tried_again(fake: FakeDeployment) -> None:
    enqueue(fake.parts, Request(SCAN, STAGE))
    _, page = fake.take_message()
    cancel(fake.parts, REF)
    fake.stage.act = raising(ValueError("bad luck"))
    assert fake.process(page) is Outcome.TRY_AGAIN
    assert fake.waiting_pages() == []


def test_the_reconciler_brings_nothing_back(fake: FakeDeployment) -> None:
    enqueue(fake.parts, Request(SCAN, STAGE))
    cancel(fake.parts, REF)
    recovery = PageRecovery(fake.parts.store, fake.parts.queues, fake.parts.calls)
    for _ in range(3):
        recovery.recover(REF)
    assert fake.waiting_pages() == []
    assert fake.checkpoint().status is Status.CANCELLED


def test_a_reconciler_finishes_what_a_killed_cancel_began(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: PageQueue) -> None:
        raise RedisConnectionError("gone")

    enqueue(fake.parts, Request(SCAN, STAGE))
    with monkeypatch.context() as patched:
        patched.setattr(PageQueue, "close", die)
        with pytest.raises(BrokerError, match="repeat the command"):
            cancel(fake.parts, REF)
    assert fake.checkpoint().status is Status.CANCELLED
    with reconciler_at_work(fake.another_process()):
        wait_until(lambda: not fake.open_stages.all(), 5, "the stage to be closed")
    assert fake.waiting_pages() == []
    assert fake.checkpoint().status is Status.CANCELLED


def test_another_scan_goes_on(fake: FakeDeployment) -> None:
    fake.write_scan("atlas", pages=20)
    enqueue(fake.parts, Request(SCAN, STAGE))
    enqueue(fake.parts, Request("atlas", STAGE))
    cancel(fake.parts, REF)
    assert fake.waiting_pages("atlas") == list(range(1, 21))
    for _ in range(20):
        assert fake.process_next() is Outcome.COMPLETE


def test_without_a_stage_all_that_are_under_way_are_cancelled_the_last_one_first(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, COPY, CopyStage())
    for request in requests_through(fake.parts.store, Request(SCAN, STAGE), COPY):
        enqueue(fake.parts, request)
    fake.process_next()
    fake.commit()
    told: list[tuple[str, int]] = []
    assert cancel_all(fake.parts, SCAN, lambda stage, done: told.append((stage, done.dropped))) == 2
    assert told == [(COPY, 30), (STAGE, 29)]
    assert fake.open_stages.all() == []
    assert fake.parts.store.checkpoint_file(StageRef(SCAN, COPY)).read().status is Status.CANCELLED
    assert fake.checkpoint().status is Status.CANCELLED
    assert cancel_all(fake.parts, SCAN, lambda *_: None) == 0


def test_nothing_flows_into_a_stage_while_all_are_cancelled(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, COPY, CopyStage())
    for request in requests_through(fake.parts.store, Request(SCAN, STAGE), COPY):
        enqueue(fake.parts, request)
    for _ in range(3):
        fake.process_next()
    queue = fake.parts.queues.queue(StageRef(SCAN, COPY))

    def commit_then_feed_late(stage: str, _done: object) -> None:
        if stage == COPY:
            fake.commit()
            list(queue.put([1]))

    cancel_all(fake.parts, SCAN, commit_then_feed_late)
    assert flow.feed(fake.parts.store, fake.parts.queues, REF, [1, 2, 3]) == {}
    assert queue.carried() == set()
    assert fake.open_stages.all() == []


def test_a_stage_that_cannot_be_cancelled_keeps_no_other_from_it(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, COPY, CopyStage())
    for request in requests_through(fake.parts.store, Request(SCAN, STAGE), COPY):
        enqueue(fake.parts, request)
    copies = fake.parts.store.checkpoint_file(StageRef(SCAN, COPY))
    monkeypatch.setattr(copies, "save", full)
    with pytest.raises(StorageError):
        cancel_all(fake.parts, SCAN, lambda *_: None)
    assert fake.open_stages.all() == [StageRef(SCAN, COPY)]
    assert fake.checkpoint().status is Status.CANCELLED


def test_there_may_be_nothing_to_cancel(fake: FakeDeployment) -> None:
    assert cancel(fake.parts, REF) is None
    assert not fake.parts.store.checkpoint_file(REF).path.exists()
    fake.complete(*range(1, 31))
    before = fake.checkpoint()
    assert cancel(fake.parts, REF) is None
    assert fake.checkpoint() == before


def test_what_does_not_exist_cannot_be_cancelled(fake: FakeDeployment) -> None:
    with pytest.raises(UnknownNameError):
        cancel(fake.parts, StageRef("nowhere", STAGE))
    with pytest.raises(UnknownNameError):
        cancel(fake.parts, StageRef(SCAN, "nonsense"))
