"""Enqueue: what is left goes into the queue, whatever was done before, and nothing else."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.errors import BrokerError, CommandLineError, UnknownNameError
from checkpointing.outputs import Problem
from checkpointing.page_records import FailedPage
from checkpointing.status import Status
from producer.planning.enqueue import enqueue
from producer.planning.request import Request
from producer.terminal.progress import Step
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment
from tests.support.stages import raising, stamp
from worker.config.settings import Settings
from worker.queue.page_queue import PageQueue

ALL = Request(SCAN, STAGE)
TORN = FailedPage(page=2, kind="torn", message="torn", attempts=3)


def quarantine(fake: FakeDeployment, *failed: FailedPage) -> None:
    fake.hand_over(*failed)
    fake.commit()


def work(fake: FakeDeployment) -> None:
    """Do what is in the queue, and commit it."""
    while fake.redis.llen(fake.parts.queues.keys.queue(STAGE)):
        fake.process_next()
    fake.commit()


def test_a_fresh_book_goes_in_whole(fake: FakeDeployment) -> None:
    steps: list[int] = []

    @contextmanager
    def counting(_label: str, total: int) -> Iterator[Step]:
        yield lambda: steps.append(total)

    made = enqueue(fake.parts, ALL, counting)
    assert made.enqueued == made.remaining == fake.waiting_pages() == [1, 2, 3, 4, 5]
    assert steps == [5] * 5
    assert made.status is fake.checkpoint().status is Status.IN_PROGRESS
    assert fake.checkpoint().total_pages == 5
    assert fake.open_stages.all() == [REF]


def test_saying_it_again_enqueues_nothing_that_is_under_way(fake: FakeDeployment) -> None:
    enqueue(fake.parts, ALL)
    again = enqueue(fake.parts, ALL)
    assert (again.remaining, again.enqueued) == ([1, 2, 3, 4, 5], [])
    assert fake.waiting_pages() == [1, 2, 3, 4, 5]


def test_a_page_that_a_worker_holds_is_not_enqueued(fake: FakeDeployment) -> None:
    with fake.parts.queues.claims.take(REF, 3):
        assert enqueue(fake.parts, ALL).enqueued == [1, 2, 4, 5]


def test_two_at_once_enqueue_each_page_once(fake: FakeDeployment) -> None:
    fake.write_scan("long-book", pages=300)
    enqueued: list[int] = []
    together = threading.Barrier(2)

    def run() -> None:
        together.wait()
        enqueued.extend(enqueue(fake.another_process(), Request("long-book", STAGE)).enqueued)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(enqueued) == sorted(fake.waiting_pages("long-book")) == list(range(1, 301))


def test_a_finished_book_is_left_alone(fake: FakeDeployment) -> None:
    enqueue(fake.parts, ALL)
    work(fake)
    outputs = {page: fake.output_path(page).stat().st_mtime_ns for page in range(1, 6)}
    again = enqueue(fake.parts, ALL)
    assert (again.remaining, again.enqueued, again.skipped, again.completed) == ([], [], 5, 5)
    assert again.status is Status.COMPLETED
    assert {page: fake.output_path(page).stat().st_mtime_ns for page in range(1, 6)} == outputs
    assert fake.stage.runs == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("left", "problem"),
    [(None, Problem.MISSING), (b"", Problem.UNREADABLE), (b"{}", Problem.INVALID)],
)
def test_an_output_that_does_not_count_is_done_again_and_the_reason_given(
    fake: FakeDeployment, left: bytes | None, problem: Problem
) -> None:
    fake.complete(1, 2, 3, 4, 5, cost_usd=0.1)
    fake.output_path(4).unlink()
    if left is not None:
        fake.output_path(4).write_bytes(left)
    made = enqueue(fake.parts, ALL)
    assert made.enqueued == [4]
    assert {page: verdict.problem for page, verdict in made.requeued.items()} == {4: problem}
    assert made.total_cost_usd == 0.5


def test_an_output_that_was_altered_is_done_again_and_the_altered_one_kept(fake: FakeDeployment) -> None:
    fake.complete(1, 2, 3, 4, 5)
    altered = stamp(4, "by hand").model_dump_json()
    fake.output_path(4).write_text(altered)
    made = enqueue(fake.parts, ALL)
    assert made.enqueued == [4]
    assert made.requeued[4].problem is Problem.CHANGED
    assert (fake.output_path(4).parent / "set_aside" / "page_0004.json").read_text() == altered


def test_only_the_range_goes_in_and_only_it_is_asked_for(fake: FakeDeployment) -> None:
    made = enqueue(fake.parts, Request(SCAN, STAGE, 2, 3))
    assert made.enqueued == [2, 3]
    assert fake.checkpoint().pending() == [2, 3]
    work(fake)
    assert fake.checkpoint().status is Status.PARTIAL
    assert enqueue(fake.parts, Request(SCAN, STAGE, start_page=4)).enqueued == [4, 5]
    assert enqueue(fake.parts, Request(SCAN, STAGE, end_page=3)).enqueued == [1]


@pytest.mark.parametrize(("start", "end"), [(6, None), (1, 6), (0, 3), (-1, 2)])
def test_a_range_outside_the_book_is_refused_and_changes_nothing(
    fake: FakeDeployment, start: int, end: int | None
) -> None:
    before = (fake.files(), fake.redis_keys())
    with pytest.raises(UnknownNameError, match=r"has the pages 1 to 5|past the last page \(5\)"):
        enqueue(fake.parts, Request(SCAN, STAGE, start, end))
    assert (fake.files(), fake.redis_keys()) == before


def test_single_pages_are_enqueued_and_asked_for_and_no_others(fake: FakeDeployment) -> None:
    made = enqueue(fake.parts, Request(SCAN, STAGE, only=frozenset({1, 3, 4})))
    assert made.enqueued == made.wanted == [1, 3, 4]
    assert fake.checkpoint().requested == [(1, 1), (3, 4)]
    with pytest.raises(UnknownNameError, match="no page 7: the book has 5 pages"):
        enqueue(fake.parts, Request(SCAN, STAGE, only=frozenset({2, 7})))
    assert fake.checkpoint().requested == [(1, 1), (3, 4)]


@pytest.mark.parametrize(
    "contradiction",
    [
        {"start_page": 3, "end_page": 2},
        {"only": frozenset({1}), "start_page": 2},
        {"only": frozenset({1}), "end_page": 5},
    ],
)
def test_a_contradiction_on_the_command_line_is_refused(contradiction: dict[str, Any]) -> None:
    with pytest.raises(CommandLineError):
        Request(SCAN, STAGE, **contradiction)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request("a-bok", STAGE), "there is no scan 'a-bok' .*did you mean 'a-book'"),
        (Request(SCAN, "nonsense"), "there is no stage 'nonsense'; stages: ocr"),
        (Request(SCAN, STAGE, release=frozenset({9})), "there is no page 9: the book has 5 pages"),
    ],
)
def test_what_does_not_exist_is_refused_and_changes_nothing(
    fake: FakeDeployment, request_: Request, words: str
) -> None:
    before = (fake.files(), fake.redis_keys())
    with pytest.raises(UnknownNameError, match=words):
        enqueue(fake.parts, request_)
    assert (fake.files(), fake.redis_keys()) == before


def test_completions_that_wait_are_merged_first_with_their_cost(fake: FakeDeployment) -> None:
    fake.hand_over(fake.completion(1, cost_usd=0.25), fake.completion(3, cost_usd=0.5), TORN)
    made = enqueue(fake.parts, ALL)
    assert made.enqueued == [4, 5]
    assert made.total_cost_usd == fake.checkpoint().total_cost_usd == 0.75
    assert fake.entries() == []


def test_completions_that_wait_are_merged_first_however_many(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkpointing.coordinator.BATCH_ENTRIES", 2)
    fake.hand_over(*(fake.completion(page, cost_usd=0.25) for page in range(1, 6)))
    assert enqueue(fake.parts, ALL).enqueued == []
    while fake.entries():
        fake.commit()
    assert fake.checkpoint().total_cost_usd == 1.25


def test_quarantined_pages_are_left_alone(fake: FakeDeployment) -> None:
    quarantine(fake, TORN)
    made = enqueue(fake.parts, ALL)
    assert made.enqueued == [1, 3, 4, 5]
    assert [failed.page for failed in made.quarantined] == [2]
    work(fake)
    again = enqueue(fake.parts, ALL)
    assert (again.enqueued, again.status) == ([], Status.FAILED)


def test_a_page_let_out_of_quarantine_gets_all_its_attempts_anew(fake: FakeDeployment) -> None:
    fake.stage.act = raising(ValueError("bad luck"))
    enqueue(fake.parts, Request(SCAN, STAGE, 2, 2))
    work(fake)
    assert fake.checkpoint().quarantined() == {2}
    made = enqueue(fake.parts, Request(SCAN, STAGE, 2, 2, release=frozenset({2})))
    assert made.enqueued == [2]
    assert [fake.process_next().value for _ in range(3)] == ["try_again", "try_again", "quarantined"]
    fake.stage.act = stamp
    enqueue(fake.parts, Request(SCAN, STAGE, 2, 2, release=frozenset({2})))
    work(fake)
    assert fake.checkpoint().completed_pages == [2]
    assert fake.checkpoint().quarantined() == set()


def test_doing_a_book_again_keeps_the_cost_and_the_previous_outputs(fake: FakeDeployment) -> None:
    fake.complete(1, 2, 3, 4, 5, cost_usd=0.1)
    before = fake.output_path(1).read_bytes()
    made = enqueue(fake.parts, Request(SCAN, STAGE, resume=False))
    assert made.enqueued == [1, 2, 3, 4, 5]
    assert (made.skipped, made.total_cost_usd) == (0, 0.5)
    assert fake.checkpoint().completed_pages == []
    assert (fake.output_path(1).parent / "set_aside" / "page_0001.json").read_bytes() == before
    work(fake)
    assert fake.checkpoint().status is Status.COMPLETED
    assert fake.checkpoint().total_cost_usd == 0.5


def test_doing_a_range_again_leaves_the_other_pages_as_they_are(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    fake.complete(1, 3, cost_usd=0.1)
    quarantine(fake, TORN)
    record = fake.checkpoint().pages[1]
    made = enqueue(fake.parts, Request(SCAN, STAGE, 3, 3, resume=False))
    assert made.enqueued == [3]
    after = fake.checkpoint()
    assert after.pages == {1: record}
    assert after.quarantined() == {2}
    assert after.pending() == [3, 4, 5], "what was asked for before is still asked for"


def test_a_checkpoint_that_cannot_be_used_is_set_aside_and_rebuilt(fake: FakeDeployment) -> None:
    fake.complete(1, 2, cost_usd=0.1)
    path = fake.parts.store.checkpoint_file(REF).path
    path.write_bytes(path.read_bytes()[:-30])
    made = enqueue(fake.another_process(), ALL)
    assert made.enqueued == [3, 4, 5]
    assert made.set_aside
    assert (path.parent / made.set_aside).exists()
    assert made.total_cost_usd == 0.2


def test_a_broker_that_is_down_is_said_before_anything_changes(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_: Settings) -> None:
        raise BrokerError("down")

    monkeypatch.setattr("producer.planning.preconditions.check_broker", down)
    fake.complete(1)
    fake.output_path(1).write_bytes(b"")
    before = fake.files()
    with pytest.raises(BrokerError):
        enqueue(fake.parts, Request(SCAN, STAGE, resume=False))
    assert fake.files() == before


def test_a_broker_that_fails_half_way_says_how_far_it_got_and_saying_it_again_does_the_rest(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = PageQueue.put

    def fail_at_three(self: PageQueue, pages: list[int]) -> Iterator[int]:
        yield from put(self, pages[:2])
        raise RedisConnectionError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(PageQueue, "put", fail_at_three)
        with pytest.raises(BrokerError, match="after 2 of 5 pages were enqueued"):
            enqueue(fake.parts, ALL)
    enqueue(fake.parts, ALL)
    assert fake.waiting_pages() == [1, 2, 3, 4, 5]
