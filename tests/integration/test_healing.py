"""Healing against a real server that is flushed, restarted and emptied under the worker's feet."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from redis import Redis

from producer.run.embedded_broker import EmbeddedBroker
from tests.support.fake_deployment import SCAN, STAGE, Shop, make_shop, steward_at_work
from tests.support.waiting import wait_until


@pytest.fixture
def shop(tmp_path: Path, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with Redis.from_url(broker.url) as redis:
        made = make_shop(tmp_path / "scans", monkeypatch, redis, redis_url=broker.url, heal_seconds=0.2)
        made.write_scan()
        yield made


@contextmanager
def stewards(*shops: Shop) -> Iterator[None]:
    with ExitStack() as stack:
        for shop in shops:
            stack.enter_context(steward_at_work(shop.another_workshop()))
        yield


def wait_for_queue(shop: Shop, *pages: int) -> None:
    wait_until(lambda: shop.waiting_pages() == list(pages), 10, f"pages {pages} in the queue")


def test_after_a_flush_what_is_left_comes_back_and_the_book_is_finished(shop: Shop) -> None:
    shop.ask_for((1, 5))
    list(shop.queue.put(range(1, 6)))
    with stewards(shop):
        shop.process_next()
        wait_until(lambda: shop.checkpoint().completed_pages == [1], 10, "page 1")
        shop.redis.flushall()
        wait_for_queue(shop, 2, 3, 4, 5)
        for _ in range(4):
            shop.process_next()
        wait_until(lambda: shop.open_stages.all() == [], 10, "the stage to be closed")
    assert shop.checkpoint().status == "completed"
    assert shop.stage.runs == [1, 2, 3, 4, 5]


def test_several_stewards_enqueue_each_lost_page_once(shop: Shop) -> None:
    shop.ask_for((1, 5))
    with stewards(shop, shop, shop):
        wait_for_queue(shop, 1, 2, 3, 4, 5)
        wait_until(lambda: shop.redis.pttl(shop.workshop.keys.heal(SCAN, STAGE)) > 0, 5, "a healer")
    assert shop.waiting_pages() == [1, 2, 3, 4, 5]


def test_completions_that_redis_lost_are_adopted_from_storage(shop: Shop) -> None:
    shop.ask_for((1, 3))
    for page in (1, 2, 3):
        assert shop.process(page).value == "complete"
    shop.redis.flushall()
    with stewards(shop):
        wait_until(lambda: shop.open_stages.all() == [], 10, "the stage to be closed")
    assert shop.checkpoint().completed_pages == [1, 2, 3]
    assert shop.stage.runs == [1, 2, 3]
    assert shop.waiting_pages() == []


def test_nothing_of_a_finished_stage_stays_in_redis_for_ever(shop: Shop) -> None:
    shop.ask_for((1, 2))
    list(shop.queue.put([1, 2]))
    with stewards(shop):
        shop.process_next()
        shop.process_next()
        wait_until(lambda: shop.open_stages.all() == [], 10, "the stage to be closed")
    assert shop.lasting_keys() == set()
