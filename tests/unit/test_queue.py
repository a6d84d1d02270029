"""The queue: a page goes in once, scans take turns, and it is known which pages are carried."""

import pytest

from checkpointing.refs import StageRef
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, named_in
from worker.queue.message_filter import admit
from worker.queue.page_queue import PageQueue

OTHER = "another-book"
WINDOW = 16
"""How many messages Celery's queue holds where no worker has said how many it takes."""


def put(queue: PageQueue, *pages: int) -> list[int]:
    return list(queue.put(pages))


def begin(fake: FakeDeployment, *pages: int, scan_id: str = SCAN) -> None:
    """What a worker does first with a page's message; its claim is over at once."""
    for page in pages:
        with fake.parts.queues.claims.take(StageRef(scan_id, STAGE), page) as claim:
            assert claim is not None


def test_pages_that_are_put_in_are_carried_and_come_out_in_their_order(fake: FakeDeployment) -> None:
    assert put(fake.queue, 3, 1, 2) == [3, 1, 2]
    assert fake.waiting_pages() == [1, 2, 3]
    assert fake.queue.carried() == {1, 2, 3}


def test_a_page_that_waits_already_does_not_go_in_again(fake: FakeDeployment) -> None:
    put(fake.queue, 1, 2)
    assert put(fake.queue, 2, 3) == [3]
    assert put(fake.parts.queues.queue(REF), 1, 1, 2, 3) == []
    assert fake.waiting_pages() == [1, 2, 3]


def test_a_page_that_is_given_twice_at_once_goes_in_once(fake: FakeDeployment) -> None:
    assert put(fake.queue, 1, 1, 1) == [1]


def test_a_page_that_a_worker_works_on_does_not_go_in(fake: FakeDeployment) -> None:
    with fake.parts.queues.claims.take(REF, 2):
        assert put(fake.queue, 1, 2, 3) == [1, 3]
    assert put(fake.queue, 2) == [2]


def test_more_pages_than_one_command_takes_go_in_all(fake: FakeDeployment) -> None:
    pages = list(range(1, 2502))
    assert put(fake.queue, *pages) == pages
    assert fake.waiting_pages() == pages
    assert fake.queue.held(pages) == set()


def test_celerys_queue_holds_a_window_and_each_page_that_begins_moves_the_next_one_in(fake: FakeDeployment) -> None:
    put(fake.queue, *range(1, 101))
    for begun in range(1, 85):
        assert fake.messages() == [(SCAN, page) for page in range(begun, begun + WINDOW)]
        fake.take_message()
        begin(fake, begun)
    assert fake.messages() == [(SCAN, page) for page in range(85, 101)]
    begin(fake, *range(85, 101))
    assert fake.queue.carried() == set(range(85, 101)), "their messages are there still"


def test_the_window_grows_with_the_workers_that_say_they_live(fake: FakeDeployment) -> None:
    put(fake.queue, *range(1, 201))
    dispatch = fake.parts.queues.dispatch(STAGE)
    dispatch.record_heartbeat("one", 32)
    assert len(fake.messages()) == 2 * 32 + 8
    dispatch.record_heartbeat("two", 8)
    dispatch.record_heartbeat("one", 32)
    assert len(fake.messages()) == 2 * 40 + 8


def test_two_scans_take_turns_whichever_came_first(fake: FakeDeployment) -> None:
    put(fake.queue, *range(1, 101))
    put(fake.parts.queues.queue(StageRef(OTHER, STAGE)), *range(1, 6))
    for _ in range(WINDOW):
        scan_id, page = fake.take_message()
        begin(fake, page, scan_id=scan_id)
    taken = [fake.take_message() for _ in range(WINDOW)]
    assert [page for scan_id, page in taken if scan_id == OTHER] == [1, 2, 3, 4, 5]
    assert taken[:10].count((OTHER, 5)) == 1, "every second page is of the book that came later"


def test_a_page_that_was_given_back_goes_in_again_behind_all_others_of_its_scan(fake: FakeDeployment) -> None:
    put(fake.queue, *range(1, 21))
    assert fake.take_message() == (SCAN, 1)
    begin(fake, 1)
    fake.queue.put_again(1)
    assert fake.waiting_pages() == [*range(2, 21), 1]


def test_a_page_that_waits_and_is_begun_by_another_message_waits_no_more(fake: FakeDeployment) -> None:
    put(fake.queue, *range(1, 31))
    begin(fake, 30)
    assert 30 not in fake.queue.carried()


def test_messages_that_redis_lost_carry_nothing(fake: FakeDeployment) -> None:
    put(fake.queue, *range(1, 21))
    fake.redis.delete(fake.parts.queues.keys.queue(STAGE))
    assert fake.queue.carried() == set(range(WINDOW + 1, 21))


def test_a_lost_page_can_go_in_again_once_it_is_forgotten(fake: FakeDeployment) -> None:
    put(fake.queue, 1, 2)
    fake.redis.delete(fake.parts.queues.keys.queue(STAGE))
    assert put(fake.queue, 1, 2) == []
    fake.queue.forget_dispatched([1])
    assert put(fake.queue, 1, 2) == [1]
    assert fake.queue.carried() == {1}


def test_waiting_pages_whose_turn_was_lost_get_it_back(fake: FakeDeployment) -> None:
    put(fake.queue, *range(1, 31))
    fake.redis.delete(fake.parts.queues.keys.turns(STAGE))
    fake.queue.ensure_turn()
    fake.queue.ensure_turn()
    assert fake.redis.lrange(fake.parts.queues.keys.turns(STAGE), 0, -1) == [SCAN.encode()]


@pytest.mark.parametrize("stranger", ["not json", "[]", "{}", '{"body": 5, "properties": {}}', "\xff"])
def test_strange_messages_in_celerys_queue_are_passed_over(fake: FakeDeployment, stranger: str) -> None:
    put(fake.queue, 1)
    fake.redis.lpush(fake.parts.queues.keys.queue(STAGE), stranger)
    assert fake.queue.carried() == {1}


def test_forgetting_nothing_is_fine(fake: FakeDeployment) -> None:
    fake.queue.forget_dispatched([])
    fake.queue.forget_attempts([])
    fake.queue.raise_attempts({})
    assert fake.queue.held([]) == set()


def test_forgotten_attempts_begin_anew_and_the_others_stay(fake: FakeDeployment) -> None:
    begin(fake, 1, 1, 2, 2)
    fake.queue.forget_attempts([1])
    assert fake.queue.attempts() == {2: 2}


def test_attempts_that_redis_forgot_are_told_again_and_never_lowered(fake: FakeDeployment) -> None:
    begin(fake, 1, 1, 1)
    fake.queue.raise_attempts({1: 2, 2: 2})
    assert fake.queue.attempts() == {1: 3, 2: 2}


def test_the_queues_of_two_scans_do_not_mix(fake: FakeDeployment) -> None:
    other = fake.parts.queues.queue(StageRef(OTHER, STAGE))
    assert put(fake.queue, *range(1, 201)) == put(other, *range(1, 201))
    assert fake.queue.carried() == other.carried() == set(range(1, 201))
    with fake.parts.queues.claims.take(StageRef(OTHER, STAGE), 5):
        assert fake.queue.held([5]) == set()
        assert other.held([4, 5]) == {5}
    other.close()
    assert fake.queue.carried() == set(range(1, 201))
    assert other.carried() == set()


def test_a_scan_whose_id_begins_like_anothers_is_another(fake: FakeDeployment) -> None:
    with fake.parts.queues.claims.take(REF, 12):
        assert fake.queue.held([1, 2, 12]) == {12}
        assert fake.parts.queues.queue(StageRef(f"{SCAN}-2", STAGE)).held([12]) == set()


def test_closing_leaves_nothing(fake: FakeDeployment) -> None:
    put(fake.queue, *range(1, 31))
    fake.take_message()
    begin(fake, 1)
    fake.queue.close()
    assert fake.lasting_keys() == set()
    assert fake.messages() == []
    assert fake.redis.llen(fake.parts.queues.keys.turns(STAGE)) == 0


def test_a_flushed_queue_takes_every_page_again(fake: FakeDeployment) -> None:
    put(fake.queue, 1, 2, 3)
    fake.redis.flushall()
    assert fake.queue.carried() == set()
    assert put(fake.queue, 1, 2, 3) == [1, 2, 3]


def test_pages_that_were_lost_go_before_all_others(fake: FakeDeployment) -> None:
    put(fake.queue, *range(1, 31))
    assert [fake.take_message(), fake.take_message()] == [(SCAN, 1), (SCAN, 2)]
    begin(fake, 1, 2)
    assert fake.queue.put_first([1, 2, 3, 30]) == [1, 2]
    assert [page for _, page in fake.messages()][:4] == [1, 2, 3, 4]


def test_a_message_passes_the_gate_that_workers_take_it_through(fake: FakeDeployment) -> None:
    put(fake.queue, 7)
    raw = fake.redis.rpop(fake.parts.queues.keys.queue(STAGE))
    assert isinstance(raw, bytes)
    assert named_in(admit(raw, STAGE)) == (SCAN, 7)
