"""Cancel: what waits is dropped, what is complete stays, and enqueue goes on from there."""

from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.errors import BrokerError, StorageError, UnknownNameError
from checkpointing.models import Status
from producer.planning.cancel import cancel, cancel_all
from producer.planning.enqueue import enqueue, requests_through
from producer.planning.request import Request
from tests.support.fake_deployment import SCAN, STAGE, Shop, make_shop, steward_at_work
from tests.support.stages import CopyStage, Stamp, raising, stamp
from tests.support.waiting import wait_until
from worker.pipeline import stage_flow as flow
from worker.pipeline.process_page import Outcome
from worker.pipeline.registry import STAGES
from worker.queue.page_queue import PageQueue
from worker.reconciler.recovery import Healer

COPY = CopyStage.name


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = make_shop(tmp_path / "scans", monkeypatch, heal_seconds=0.2)
    made.write_scan(pages=30)
    for user in ("producer.planning.enqueue", "producer.planning.cancel"):
        monkeypatch.setattr(f"{user}.check_broker", lambda _settings: None)
    return made


def test_what_waits_is_dropped_and_what_is_complete_stays(shop: Shop) -> None:
    enqueue(shop.workshop, Request(SCAN, STAGE))
    shop.process_next()
    shop.commit()
    done = cancel(shop.workshop, SCAN, STAGE)
    assert done is not None
    assert (done.dropped, done.running) == (29, [])
    assert done.summary == "1 of 30 pages complete"
    assert shop.checkpoint().status is Status.CANCELLED
    assert shop.checkpoint().completed_pages == [1]
    assert shop.waiting_pages() == []
    assert shop.open_stages.all() == []


def test_enqueue_goes_on_from_there(shop: Shop) -> None:
    enqueue(shop.workshop, Request(SCAN, STAGE))
    shop.process_next()
    shop.commit()
    cancel(shop.workshop, SCAN, STAGE)
    assert enqueue(shop.workshop, Request(SCAN, STAGE)).enqueued == list(range(2, 31))
    assert shop.checkpoint().status is Status.IN_PROGRESS


def test_a_page_in_hand_is_finished_and_counted_and_the_stage_stays_cancelled(shop: Shop) -> None:
    def cancelled_meanwhile(page: int) -> Stamp:
        done = cancel(shop.workshop, SCAN, STAGE)
        assert done is not None
        assert (done.dropped, done.running) == (29, [page])
        return stamp(page)

    enqueue(shop.workshop, Request(SCAN, STAGE))
    shop.stage.act = cancelled_meanwhile
    assert shop.process_next() is Outcome.COMPLETE
    shop.commit()
    assert shop.checkpoint().completed_pages == [1]
    assert shop.checkpoint().status is Status.CANCELLED


def test_a_page_in_hand_that_was_the_last_one_makes_the_stage_complete(shop: Shop) -> None:
    def cancelled_meanwhile(page: int) -> Stamp:
        cancel(shop.workshop, SCAN, STAGE)
        return stamp(page)

    enqueue(shop.workshop, Request(SCAN, STAGE))
    for _ in range(29):
        shop.process_next()
    shop.stage.act = cancelled_meanwhile
    shop.process_next()
    shop.commit()
    assert shop.checkpoint().status is Status.COMPLETED


def test_a_page_in_hand_that_fails_is_not_tried_again(shop: Shop) -> None:
    enqueue(shop.workshop, Request(SCAN, STAGE))
    _, page = shop.take_message()
    cancel(shop.workshop, SCAN, STAGE)
    shop.stage.act = raising(ValueError("bad luck"))
    assert shop.process(page) is Outcome.TRY_AGAIN
    assert shop.waiting_pages() == []


def test_the_steward_brings_nothing_back(shop: Shop) -> None:
    enqueue(shop.workshop, Request(SCAN, STAGE))
    cancel(shop.workshop, SCAN, STAGE)
    healer = Healer(shop.workshop)
    for _ in range(3):
        healer.heal(SCAN, STAGE)
    assert shop.waiting_pages() == []
    assert shop.checkpoint().status is Status.CANCELLED


def test_a_steward_finishes_what_a_killed_cancel_began(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_: PageQueue) -> None:
        raise RedisConnectionError("gone")

    enqueue(shop.workshop, Request(SCAN, STAGE))
    with monkeypatch.context() as patched:
        patched.setattr(PageQueue, "close", die)
        with pytest.raises(BrokerError, match="repeat the command"):
            cancel(shop.workshop, SCAN, STAGE)
    assert shop.checkpoint().status is Status.CANCELLED
    with steward_at_work(shop.another_workshop()):
        wait_until(lambda: not shop.open_stages.all(), 5, "the stage to be closed")
    assert shop.waiting_pages() == []
    assert shop.checkpoint().status is Status.CANCELLED


def test_another_scan_goes_on(shop: Shop) -> None:
    shop.write_scan("atlas", pages=20)
    enqueue(shop.workshop, Request(SCAN, STAGE))
    enqueue(shop.workshop, Request("atlas", STAGE))
    cancel(shop.workshop, SCAN, STAGE)
    assert shop.waiting_pages("atlas") == list(range(1, 21))
    for _ in range(20):
        assert shop.process_next() is Outcome.COMPLETE


def test_without_a_stage_all_that_are_under_way_are_cancelled_the_last_one_first(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, COPY, lambda _settings: CopyStage())
    for request in requests_through(shop.workshop, Request(SCAN, STAGE), COPY):
        enqueue(shop.workshop, request)
    shop.process_next()
    shop.commit()
    told: list[tuple[str, int]] = []
    assert cancel_all(shop.workshop, SCAN, lambda stage, done: told.append((stage, done.dropped))) == 2
    assert told == [(COPY, 30), (STAGE, 29)]
    assert shop.open_stages.all() == []
    assert shop.workshop.checkpoint_file(SCAN, COPY).read().status is Status.CANCELLED
    assert shop.checkpoint().status is Status.CANCELLED
    assert cancel_all(shop.workshop, SCAN, lambda *_: None) == 0


def test_nothing_flows_into_a_stage_while_all_are_cancelled(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STAGES, COPY, lambda _settings: CopyStage())
    for request in requests_through(shop.workshop, Request(SCAN, STAGE), COPY):
        enqueue(shop.workshop, request)
    for _ in range(3):
        shop.process_next()
    queue = shop.workshop.queue(SCAN, COPY)

    def commit_then_feed_late(stage: str, _done: object) -> None:
        if stage == COPY:
            shop.commit()
            list(queue.put([1]))

    cancel_all(shop.workshop, SCAN, commit_then_feed_late)
    assert flow.feed(shop.workshop, SCAN, STAGE, [1, 2, 3]) == {}
    assert queue.carried() == set()
    assert shop.open_stages.all() == []


def test_a_stage_that_cannot_be_cancelled_keeps_no_other_from_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, COPY, lambda _settings: CopyStage())
    for request in requests_through(shop.workshop, Request(SCAN, STAGE), COPY):
        enqueue(shop.workshop, request)
    copies = shop.workshop.checkpoint_file(SCAN, COPY)
    monkeypatch.setattr(copies, "save", full)
    with pytest.raises(StorageError):
        cancel_all(shop.workshop, SCAN, lambda *_: None)
    assert shop.open_stages.all() == [(SCAN, COPY)]
    assert shop.checkpoint().status is Status.CANCELLED


def test_there_may_be_nothing_to_cancel(shop: Shop) -> None:
    assert cancel(shop.workshop, SCAN, STAGE) is None
    assert not shop.workshop.checkpoint_file(SCAN, STAGE).path.exists()
    shop.complete(*range(1, 31))
    before = shop.checkpoint()
    assert cancel(shop.workshop, SCAN, STAGE) is None
    assert shop.checkpoint() == before


def test_what_does_not_exist_cannot_be_cancelled(shop: Shop) -> None:
    with pytest.raises(UnknownNameError):
        cancel(shop.workshop, "nowhere", STAGE)
    with pytest.raises(UnknownNameError):
        cancel(shop.workshop, SCAN, "nonsense")
