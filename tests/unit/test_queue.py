"""The queue: a page goes in once, scans take turns, and it is known which pages are carried."""

from pathlib import Path

import pytest

from tests.support.fake_deployment import SCAN, STAGE, Shop, make_shop, named_in
from worker.queue.message_filter import admit
from worker.queue.page_queue import PageQueue

OTHER = "another-book"
WINDOW = 16
"""How many messages Celery's queue holds where no worker has said how many it takes."""


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


def test_pages_that_are_put_in_are_carried_and_come_out_in_their_order(shop: Shop) -> None:
    assert put(shop.queue, 3, 1, 2) == [3, 1, 2]
    assert shop.waiting_pages() == [1, 2, 3]
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


def test_celerys_queue_holds_a_window_and_each_page_that_begins_moves_the_next_one_in(shop: Shop) -> None:
    put(shop.queue, *range(1, 101))
    for begun in range(1, 85):
        assert shop.messages() == [(SCAN, page) for page in range(begun, begun + WINDOW)]
        shop.take_message()
        begin(shop, begun)
    assert shop.messages() == [(SCAN, page) for page in range(85, 101)]
    begin(shop, *range(85, 101))
    assert shop.queue.carried() == set(range(85, 101)), "their messages are there still"


def test_the_window_grows_with_the_workers_that_say_they_live(shop: Shop) -> None:
    put(shop.queue, *range(1, 201))
    dispatch = shop.workshop.dispatch(STAGE)
    dispatch.beat("one", 32)
    assert len(shop.messages()) == 2 * 32 + 8
    dispatch.beat("two", 8)
    dispatch.beat("one", 32)
    assert len(shop.messages()) == 2 * 40 + 8


def test_two_scans_take_turns_whichever_came_first(shop: Shop) -> None:
    put(shop.queue, *range(1, 101))
    put(shop.workshop.queue(OTHER, STAGE), *range(1, 6))
    for _ in range(WINDOW):
        scan_id, page = shop.take_message()
        begin(shop, page, scan_id=scan_id)
    taken = [shop.take_message() for _ in range(WINDOW)]
    assert [page for scan_id, page in taken if scan_id == OTHER] == [1, 2, 3, 4, 5]
    assert taken[:10].count((OTHER, 5)) == 1, "every second page is of the book that came later"


def test_a_page_that_was_given_back_goes_in_again_behind_all_others_of_its_scan(shop: Shop) -> None:
    put(shop.queue, *range(1, 21))
    assert shop.take_message() == (SCAN, 1)
    begin(shop, 1)
    shop.queue.put_again(1)
    assert shop.waiting_pages() == [*range(2, 21), 1]


def test_a_page_that_waits_and_is_begun_by_another_message_waits_no_more(shop: Shop) -> None:
    put(shop.queue, *range(1, 31))
    begin(shop, 30)
    assert 30 not in shop.queue.carried()


def test_messages_that_redis_lost_carry_nothing(shop: Shop) -> None:
    put(shop.queue, *range(1, 21))
    shop.redis.delete(shop.workshop.keys.queue(STAGE))
    assert shop.queue.carried() == set(range(WINDOW + 1, 21))


def test_a_lost_page_can_go_in_again_once_it_is_forgotten(shop: Shop) -> None:
    put(shop.queue, 1, 2)
    shop.redis.delete(shop.workshop.keys.queue(STAGE))
    assert put(shop.queue, 1, 2) == []
    shop.queue.forget_dispatched([1])
    assert put(shop.queue, 1, 2) == [1]
    assert shop.queue.carried() == {1}


def test_waiting_pages_whose_turn_was_lost_get_it_back(shop: Shop) -> None:
    put(shop.queue, *range(1, 31))
    shop.redis.delete(shop.workshop.keys.turns(STAGE))
    shop.queue.ensure_turn()
    shop.queue.ensure_turn()
    assert shop.redis.lrange(shop.workshop.keys.turns(STAGE), 0, -1) == [SCAN.encode()]


@pytest.mark.parametrize("stranger", ["not json", "[]", "{}", '{"body": 5, "properties": {}}', "\xff"])
def test_strange_messages_in_celerys_queue_are_passed_over(shop: Shop, stranger: str) -> None:
    put(shop.queue, 1)
    shop.redis.lpush(shop.workshop.keys.queue(STAGE), stranger)
    assert shop.queue.carried() == {1}


def test_forgetting_nothing_is_fine(shop: Shop) -> None:
    shop.queue.forget_dispatched([])
    shop.queue.forget_attempts([])
    shop.queue.raise_attempts({})
    assert shop.queue.held([]) == set()


def test_forgotten_attempts_begin_anew_and_the_others_stay(shop: Shop) -> None:
    begin(shop, 1, 1, 2, 2)
    shop.queue.forget_attempts([1])
    assert shop.queue.attempts() == {2: 2}


def test_attempts_that_redis_forgot_are_told_again_and_never_lowered(shop: Shop) -> None:
    begin(shop, 1, 1, 1)
    shop.queue.raise_attempts({1: 2, 2: 2})
    assert shop.queue.attempts() == {1: 3, 2: 2}


def test_the_queues_of_two_scans_do_not_mix(shop: Shop) -> None:
    other = shop.workshop.queue(OTHER, STAGE)
    assert put(shop.queue, *range(1, 201)) == put(other, *range(1, 201))
    assert shop.queue.carried() == other.carried() == set(range(1, 201))
    with shop.workshop.claims.take(OTHER, STAGE, 5):
        assert shop.queue.held([5]) == set()
        assert other.held([4, 5]) == {5}
    other.close()
    assert shop.queue.carried() == set(range(1, 201))
    assert other.carried() == set()


def test_a_scan_whose_id_begins_like_anothers_is_another(shop: Shop) -> None:
    with shop.workshop.claims.take(SCAN, STAGE, 12):
        assert shop.queue.held([1, 2, 12]) == {12}
        assert shop.workshop.queue(f"{SCAN}-2", STAGE).held([12]) == set()


def test_closing_leaves_nothing(shop: Shop) -> None:
    put(shop.queue, *range(1, 31))
    shop.take_message()
    begin(shop, 1)
    shop.queue.close()
    assert shop.lasting_keys() == set()
    assert shop.messages() == []
    assert shop.redis.llen(shop.workshop.keys.turns(STAGE)) == 0


def test_a_flushed_queue_takes_every_page_again(shop: Shop) -> None:
    put(shop.queue, 1, 2, 3)
    shop.redis.flushall()
    assert shop.queue.carried() == set()
    assert put(shop.queue, 1, 2, 3) == [1, 2, 3]


def test_pages_that_were_lost_go_before_all_others(shop: Shop) -> None:
    put(shop.queue, *range(1, 31))
    assert [shop.take_message(), shop.take_message()] == [(SCAN, 1), (SCAN, 2)]
    begin(shop, 1, 2)
    assert shop.queue.put_first([1, 2, 3, 30]) == [1, 2]
    assert [page for _, page in shop.messages()][:4] == [1, 2, 3, 4]


def test_a_message_passes_the_gate_that_workers_take_it_through(shop: Shop) -> None:
    put(shop.queue, 7)
    raw = shop.redis.rpop(shop.workshop.keys.queue(STAGE))
    assert isinstance(raw, bytes)
    assert named_in(admit(raw, STAGE)) == (SCAN, 7)
