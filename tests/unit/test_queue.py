"""The queue: a page goes in once, and it is known which pages it carries."""

from pathlib import Path

import pytest

from tests.shop import SCAN, STAGE, Shop, make_shop
from worker.queue import PageQueue

OTHER = "another-book"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return make_shop(tmp_path / "scans", monkeypatch)


def put(queue: PageQueue, *pages: int) -> list[int]:
    return list(queue.put(pages))


def begin(shop: Shop, *pages: int, scan_id: str = SCAN) -> None:
    """What a worker does first with a page's message; its claim is over at once."""
    for page in pages:
        with shop.workshop.claims.take(scan_id, STAGE, page) as claim:
            assert claim is not None


def test_pages_go_in_in_order(shop: Shop) -> None:
    assert put(shop.queue, 3, 1, 2) == [3, 1, 2]
    assert shop.waiting_pages() == [3, 1, 2]
    assert shop.queue.carried() == {1, 2, 3}


def test_a_page_that_waits_already_does_not_go_in_again(shop: Shop) -> None:
    put(shop.queue, 1, 2)
    assert put(shop.queue, 2, 3) == [3]
    assert put(shop.workshop.queue(SCAN, STAGE), 1, 1, 2, 3) == []
    assert shop.waiting_pages() == [1, 2, 3]


def test_a_page_that_is_given_twice_at_once_goes_in_once(shop: Shop) -> None:
    assert put(shop.queue, 1, 1, 1) == [1]


def test_a_page_that_somebody_works_on_does_not_go_in(shop: Shop) -> None:
    with shop.workshop.claims.take(SCAN, STAGE, 2):
        assert put(shop.queue, 1, 2, 3) == [1, 3]
    assert put(shop.queue, 2) == [2]


def test_more_pages_than_one_command_takes_go_in_all(shop: Shop) -> None:
    pages = list(range(1, 2502))
    assert put(shop.queue, *pages) == pages
    assert shop.waiting_pages() == pages
    assert shop.queue.held(pages) == set()


def test_what_is_not_taken_out_of_the_iterator_is_not_enqueued(shop: Shop) -> None:
    going_in = shop.queue.put([1, 2, 3])
    assert next(going_in) == 1
    assert shop.waiting_pages() == [1]


def test_a_page_that_was_given_back_goes_in_again_behind_the_others(shop: Shop) -> None:
    put(shop.queue, 1, 2)
    shop.redis.rpop(shop.workshop.keys.queue(STAGE))
    begin(shop, 1)
    shop.queue.put_again(1)
    assert shop.waiting_pages() == [2, 1]


def test_a_drained_queue_carries_nothing(shop: Shop) -> None:
    """Redis lost the messages and kept the notes."""
    put(shop.queue, 1, 2)
    shop.redis.delete(shop.workshop.keys.queue(STAGE))
    assert shop.queue.carried() == set()


def test_a_page_far_behind_the_last_that_began_is_carried_no_more(shop: Shop) -> None:
    put(shop.queue, *range(1, 201))
    begin(shop, 100)
    carried = shop.queue.carried()
    assert 1 not in carried
    assert 35 not in carried
    assert {36, 99, 101, 200} <= carried, "workers fetch a few messages ahead"
    assert 100 not in carried


def test_a_lost_page_can_go_in_again_once_its_place_is_forgotten(shop: Shop) -> None:
    put(shop.queue, *range(1, 201))
    begin(shop, 100)
    assert put(shop.queue, 1) == []
    shop.queue.forget_places([1])
    assert put(shop.queue, 1) == [1]
    assert 1 in shop.queue.carried(), "its new place is the last"


def test_forgetting_nothing_is_fine(shop: Shop) -> None:
    shop.queue.forget_places([])
    shop.queue.forget_attempts([])
    assert shop.queue.held([]) == set()


def test_forgotten_attempts_begin_anew_and_the_others_stay(shop: Shop) -> None:
    begin(shop, 1, 1, 2, 2)
    shop.queue.forget_attempts([1])
    with shop.workshop.claims.take(SCAN, STAGE, 1) as one, shop.workshop.claims.take(SCAN, STAGE, 2) as two:
        assert one is not None
        assert two is not None
        assert (one.attempt, two.attempt) == (1, 3)


def test_the_queues_of_two_scans_do_not_mix(shop: Shop) -> None:
    other = shop.workshop.queue(OTHER, STAGE)
    assert put(shop.queue, *range(1, 201)) == put(other, *range(1, 201))
    begin(shop, 200)
    assert shop.queue.carried() == set(range(136, 200))
    assert other.carried() == set(range(1, 201))
    with shop.workshop.claims.take(OTHER, STAGE, 5):
        assert shop.queue.held([5]) == set()
        assert other.held([4, 5]) == {5}
    other.close()
    assert 150 in shop.queue.carried()
    assert other.carried() == set()


def test_a_scan_whose_id_begins_like_anothers_is_another(shop: Shop) -> None:
    with shop.workshop.claims.take(SCAN, STAGE, 12):
        assert shop.queue.held([1, 2, 12]) == {12}
        assert shop.workshop.queue(f"{SCAN}-2", STAGE).held([12]) == set()


def test_closing_leaves_nothing_but_the_messages(shop: Shop) -> None:
    put(shop.queue, 1, 2)
    begin(shop, 1)
    shop.queue.close()
    assert shop.lasting_keys() == set()


def test_a_flushed_queue_takes_every_page_again(shop: Shop) -> None:
    put(shop.queue, 1, 2, 3)
    shop.redis.flushall()
    assert shop.queue.carried() == set()
    assert put(shop.queue, 1, 2, 3) == [1, 2, 3]
