"""Healing against a real server that is flushed, restarted and emptied under the worker's feet."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from redis import Redis

from producer.run.embedded_broker import EmbeddedBroker
from tests.support.fake_deployment import REF, FakeDeployment, make_fake, reconciler_at_work
from tests.support.waiting import wait_until


@pytest.fixture
def fake(tmp_path: Path, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDeployment]:
    with Redis.from_url(broker.url) as redis:
        made = make_fake(tmp_path / "scans", monkeypatch, redis, redis_url=broker.url, heal_seconds=0.2)
        made.write_scan()
        yield made


@contextmanager
def reconcilers(*fakes: FakeDeployment) -> Iterator[None]:
    with ExitStack() as stack:
        for fake in fakes:
            stack.enter_context(reconciler_at_work(fake.another_process()))
        yield


def wait_for_queue(fake: FakeDeployment, *pages: int) -> None:
    wait_until(lambda: fake.waiting_pages() == list(pages), 10, f"pages {pages} in the queue")


def test_after_a_flush_what_is_left_comes_back_and_the_book_is_finished(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    list(fake.queue.put(range(1, 6)))
    with reconcilers(fake):
        fake.process_next()
        wait_until(lambda: fake.checkpoint().completed_pages == [1], 10, "page 1")
        fake.redis.flushall()
        wait_for_queue(fake, 2, 3, 4, 5)
        for _ in range(4):
            fake.process_next()
        wait_until(lambda: fake.open_stages.all() == [], 10, "the stage to be closed")
    assert fake.checkpoint().status == "completed"
    assert fake.stage.runs == [1, 2, 3, 4, 5]


def test_several_reconcilers_enqueue_each_lost_page_once(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    with reconcilers(fake, fake, fake):
        wait_for_queue(fake, 1, 2, 3, 4, 5)
        wait_until(lambda: fake.redis.pttl(fake.parts.queues.keys.heal(REF)) > 0, 5, "a recovery")
    assert fake.waiting_pages() == [1, 2, 3, 4, 5]


def test_completions_that_redis_lost_are_adopted_from_storage(fake: FakeDeployment) -> None:
    fake.ask_for((1, 3))
    for page in (1, 2, 3):
        assert fake.process(page).value == "complete"
    fake.redis.flushall()
    with reconcilers(fake):
        wait_until(lambda: fake.open_stages.all() == [], 10, "the stage to be closed")
    assert fake.checkpoint().completed_pages == [1, 2, 3]
    assert fake.stage.runs == [1, 2, 3]
    assert fake.waiting_pages() == []


def test_nothing_of_a_finished_stage_stays_in_redis_for_ever(fake: FakeDeployment) -> None:
    fake.ask_for((1, 2))
    list(fake.queue.put([1, 2]))
    with reconcilers(fake):
        fake.process_next()
        fake.process_next()
        wait_until(lambda: fake.open_stages.all() == [], 10, "the stage to be closed")
    assert fake.lasting_keys() == set()
