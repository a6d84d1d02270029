"""Healing: pages that got lost come back, and nothing else does."""

import pytest

from checkpointing.checkpoint import Checkpoint
from checkpointing.file import CheckpointFile
from checkpointing.money import Money
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from checkpointing.status import Status
from tests.support.calls import a_call
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, page_parts
from worker.billing.meter import Count, Reading
from worker.reconciler.recovery import PageRecovery, Recovered

micro = Money.from_micro


@pytest.fixture
def recovery(fake: FakeDeployment) -> PageRecovery:
    return PageRecovery(fake.parts.store, fake.parts.queues, fake.parts.calls)


def recover(recovery: PageRecovery, times: int = 1) -> Recovered:
    """The last of so many looks."""
    looks = [recovery.recover(REF) for _ in range(times)]
    return looks[-1]


def test_a_lost_page_is_enqueued_when_it_is_seen_lost_twice_and_not_once(
    fake: FakeDeployment, recovery: PageRecovery
) -> None:
    fake.ask_for((1, 3))
    assert recover(recovery) == Recovered()
    assert fake.waiting_pages() == []
    assert recover(recovery).enqueued == [1, 2, 3]
    assert fake.waiting_pages() == [1, 2, 3]
    assert recover(recovery, times=3) == Recovered()
    assert fake.waiting_pages() == [1, 2, 3]


def test_a_lost_page_gives_back_what_its_dead_worker_had_reserved_and_not_sent(
    fake: FakeDeployment, recovery: PageRecovery
) -> None:
    fake.ask_for((1, 2))
    ledger, meter = fake.parts.store.ledger(REF), fake.parts.calls.meter(SCAN)
    meter.refill(lambda: Count(micro(0), {}))
    calls = {page: a_call(REF, page) for page in (1, 2)}
    for call in calls.values():
        ledger.plan(call)
        meter.reserve(call.attempt, micro(call.most_micro), None)
    ledger.mark_asked(calls[2])
    assert recover(recovery, times=2).enqueued == [1, 2]
    assert not ledger.mark_asked(calls[1])
    assert meter.read() == Reading(micro(0), micro(calls[2].most_micro)), "the call for page 2 may be billed"


def test_a_page_that_turns_up_between_two_looks_was_not_lost(fake: FakeDeployment, recovery: PageRecovery) -> None:
    fake.ask_for((1, 2))
    recover(recovery)
    with fake.parts.queues.claims.take(REF, 1):
        assert recover(recovery).enqueued == [2]
    assert recover(recovery).enqueued == [], "page 1 is seen lost for the first time since"


def test_pages_that_are_queued_held_or_in_the_inbox_are_not_lost(
    fake: FakeDeployment, recovery: PageRecovery
) -> None:
    fake.ask_for((1, 5))
    list(fake.queue.put([1]))
    fake.hand_over(fake.completion(3), FailedPage(page=4, kind="torn", message="torn"))
    with fake.parts.queues.claims.take(REF, 2):
        assert recover(recovery, times=2).enqueued == [5]


def test_pages_that_were_not_requested_are_left_alone(fake: FakeDeployment, recovery: PageRecovery) -> None:
    fake.ask_for((2, 3), (5, 5))
    assert recover(recovery, times=2).enqueued == [2, 3, 5]


def test_complete_and_quarantined_pages_are_left_alone(fake: FakeDeployment, recovery: PageRecovery) -> None:
    fake.ask_for((1, 5))
    fake.complete(1, 2)
    fake.hand_over(FailedPage(page=3, kind="torn", message="torn"))
    fake.commit()
    assert recover(recovery, times=2).enqueued == [4, 5]


def test_an_output_that_no_completion_named_is_adopted_and_not_done_again(
    fake: FakeDeployment, recovery: PageRecovery
) -> None:
    fake.ask_for((1, 2))
    fake.completion(2)
    recovered = recover(recovery, times=2)
    assert (recovered.adopted, recovered.enqueued) == ([2], [1])
    fake.commit()
    assert fake.checkpoint().completed_pages == [2]
    assert recover(recovery, times=3) == Recovered()


@pytest.mark.parametrize("left", ["", "{", '{"page_number": 1}'])
def test_an_output_that_does_not_count_is_not_adopted(
    fake: FakeDeployment, recovery: PageRecovery, left: str
) -> None:
    fake.ask_for((1, 1))
    fake.output_path(1).parent.mkdir()
    fake.output_path(1).write_text(left)
    recovered = recover(recovery, times=2)
    assert (recovered.adopted, recovered.enqueued) == ([], [1])


def test_a_page_whose_message_vanished_comes_back_once_the_queue_is_drained(
    fake: FakeDeployment, recovery: PageRecovery
) -> None:
    fake.ask_for((1, 2))
    list(fake.queue.put([1, 2]))
    fake.redis.delete(fake.parts.queues.keys.queue(STAGE))
    assert recover(recovery, times=2).enqueued == [1, 2]


def test_a_page_whose_message_vanished_comes_back_while_the_queue_goes_on(fake: FakeDeployment) -> None:
    fake.write_scan("long-book", pages=300)
    fake.ask_for((1, 300), scan_id="long-book", total_pages=300)
    queue = fake.parts.queues.queue(StageRef("long-book", STAGE))
    list(queue.put(range(1, 301)))
    for page in range(2, 101):
        fake.redis.rpop(fake.parts.queues.keys.queue(STAGE))
        assert fake.process(page, scan_id="long-book").value == "complete"
    fake.commit("long-book")
    recovery = PageRecovery(fake.parts.store, fake.parts.queues, fake.parts.calls)
    assert recovery.recover(StageRef("long-book", STAGE)).enqueued == []
    assert recovery.recover(StageRef("long-book", STAGE)).enqueued == [1]


def test_after_a_flush_everything_that_is_left_comes_back(fake: FakeDeployment, recovery: PageRecovery) -> None:
    fake.ask_for((1, 5))
    list(fake.queue.put(range(1, 6)))
    fake.complete(1, 2)
    fake.redis.flushall()
    assert recover(recovery, times=2).enqueued == [3, 4, 5]


def test_a_dead_workers_page_comes_back_when_its_claim_has_run_out(
    fake: FakeDeployment, recovery: PageRecovery
) -> None:
    fake.ask_for((1, 1))
    claim = fake.parts.queues.keys.claim(REF, 1)
    fake.redis.set(claim, "the dead", ex=60)
    assert recover(recovery, times=3).enqueued == []
    fake.redis.delete(claim)
    assert recover(recovery, times=2).enqueued == [1]


def test_a_stage_with_nothing_left_is_closed(fake: FakeDeployment, recovery: PageRecovery) -> None:
    fake.ask_for((1, 5))
    list(fake.queue.put(range(1, 6)))
    for _ in range(5):
        fake.process_next()
    fake.commit()
    assert recover(recovery).ended
    assert fake.open_stages.all() == []
    assert fake.lasting_keys() == set(), "nothing of it stays in Redis for ever"
    assert fake.checkpoint().status is Status.COMPLETED


def test_a_stage_that_is_asked_for_more_pages_while_it_ends_stays_open(
    fake: FakeDeployment, recovery: PageRecovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A producer asks for pages after the reconciler has read the checkpoint and before it takes the lock."""
    fake.ask_for((1, 2))
    fake.complete(1, 2)
    read = CheckpointFile.read

    def read_before_the_producer_writes(file: CheckpointFile) -> Checkpoint:
        monkeypatch.setattr(CheckpointFile, "read", read)
        found = read(file)
        fake.ask_for((3, 4))
        return found

    monkeypatch.setattr(CheckpointFile, "read", read_before_the_producer_writes)
    assert not recover(recovery).ended
    assert fake.open_stages.all() != []
    assert fake.checkpoint().status is Status.IN_PROGRESS
    assert recover(recovery, times=2).enqueued == [3, 4]


@pytest.mark.parametrize(
    ("asked_for", "failed", "status"),
    [((1, 5), [], "completed"), ((1, 3), [], "partial"), ((1, 3), [2], "failed")],
)
def test_a_stage_that_was_left_in_progress_is_settled(
    fake: FakeDeployment, recovery: PageRecovery, asked_for: tuple[int, int], failed: list[int], status: str
) -> None:
    """Whoever ended it died before it could say so."""
    fake.ask_for(asked_for)
    fake.complete(*(page for page in range(asked_for[0], asked_for[1] + 1) if page not in failed))
    fake.hand_over(*(FailedPage(page=page, kind="torn", message="torn") for page in failed))
    if failed:
        fake.commit()
    file = fake.parts.store.checkpoint_file(REF)
    with file.exclusive() as checkpoint:
        checkpoint.begin()
        file.save(checkpoint)
    assert recover(recovery).ended
    assert fake.checkpoint().status == status
    assert fake.open_stages.all() == []


def test_a_settled_stage_is_not_written_again(fake: FakeDeployment, recovery: PageRecovery) -> None:
    fake.ask_for((1, 1))
    fake.complete(1)
    revision = fake.checkpoint().revision
    assert recover(recovery).ended
    assert fake.checkpoint().revision == revision


def test_one_recovery_is_elected_and_the_next_follows_when_it_is_gone(
    fake: FakeDeployment, recovery: PageRecovery
) -> None:
    fake.ask_for((1, 2))
    other = PageRecovery(*page_parts(fake.another_process()))
    recover(recovery)
    assert recover(other, times=3) == Recovered()
    assert recover(recovery).enqueued == [1, 2]

    fake.redis.flushall()
    assert recover(other) == Recovered()
    assert recover(recovery, times=3) == Recovered()
    assert recover(other).enqueued == [1, 2]


def test_an_elected_recovery_stays_so_while_it_looks_often_enough(
    fake: FakeDeployment, recovery: PageRecovery
) -> None:
    fake.ask_for((1, 2))
    lock = fake.parts.queues.keys.heal(REF)
    recover(recovery)
    fake.redis.pexpire(lock, 100)
    recover(recovery)
    assert fake.redis.pttl(lock) > 1000 * fake.settings.heal_seconds


def test_an_elected_recovery_that_comes_by_seldom_stays_elected_until_it_does(
    fake: FakeDeployment, recovery: PageRecovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among thousands of open stages; or every reconciler of a fleet would look after each of them."""
    clock = [1000.0]
    monkeypatch.setattr("worker.reconciler.recovery.time.monotonic", lambda: clock[0])
    fake.ask_for((1, 2))
    lock = fake.parts.queues.keys.heal(REF)
    for _ in range(3):
        recover(recovery)
        clock[0] += 140
    assert 140_000 < fake.redis.pttl(lock) <= 300_000
    clock[0] += 10_000
    recover(recovery)
    assert fake.redis.pttl(lock) <= 300_000, "one long round may be a pause, and it may die after that"
    clock[0] += 10_000
    recover(recovery)
    assert fake.redis.pttl(lock) <= 600_000, "if it dies, another one follows in the end"
    clock[0] += fake.settings.heal_seconds
    recover(recovery)
    assert fake.redis.pttl(lock) <= 10_000, "once there is little to look after, it need not be so long"


def test_a_corrupt_checkpoint_is_rebuilt_and_what_was_asked_for_comes_back(
    fake: FakeDeployment, recovery: PageRecovery
) -> None:
    fake.ask_for((1, 4))
    fake.complete(1, 2)
    path = fake.parts.store.checkpoint_file(REF).path
    path.write_bytes(b"\0" * 500)
    recover(recovery, times=3)
    assert fake.waiting_pages() == [3, 4]
    assert fake.checkpoint().completed_pages == [1, 2]
    assert fake.checkpoint().pending() == [3, 4]
    (kept,) = path.parent.glob("*.unusable-*")
    assert kept.read_bytes() == b"\0" * 500
    assert fake.open_stages.all() == [REF]


def begin_and_die(fake: FakeDeployment, page: int) -> None:
    """What is left of a worker that died with a page in hand, once its lease has run out."""
    with fake.parts.queues.claims.take(REF, page) as claim:
        assert claim is not None


def test_an_attempt_that_came_to_nothing_is_kept_in_the_checkpoint(
    fake: FakeDeployment, recovery: PageRecovery
) -> None:
    fake.ask_for((1, 3))
    begin_and_die(fake, 2)
    assert recover(recovery, times=2).enqueued == [1, 2, 3]
    assert fake.checkpoint().attempts == {2: 1}


def test_a_flush_does_not_forget_attempts(fake: FakeDeployment, recovery: PageRecovery) -> None:
    fake.ask_for((1, 3))
    begin_and_die(fake, 2)
    recover(recovery, times=2)
    fake.redis.flushall()
    recover(recovery, times=3)
    with fake.parts.queues.claims.take(REF, 2) as claim:
        assert claim is not None
        assert claim.attempt == 2
    begin_and_die(fake, 3)
    assert fake.queue.attempts() == {2: 2, 3: 1}


def test_an_attempt_under_way_is_not_counted_as_ended(fake: FakeDeployment, recovery: PageRecovery) -> None:
    fake.ask_for((1, 3))
    with fake.parts.queues.claims.take(REF, 2):
        recover(recovery, times=3)
    assert fake.checkpoint().attempts == {}


def test_a_page_that_is_complete_in_the_end_leaves_no_attempts_behind(
    fake: FakeDeployment, recovery: PageRecovery
) -> None:
    fake.ask_for((1, 3))
    begin_and_die(fake, 2)
    recover(recovery, times=2)
    fake.process(2)
    fake.commit()
    assert fake.checkpoint().attempts == {}
    assert fake.checkpoint().pages[2].attempts == 2


def test_a_whole_lost_book_takes_its_turn_and_a_few_lost_pages_go_first(
    fake: FakeDeployment, recovery: PageRecovery
) -> None:
    fake.write_scan("atlas", pages=100)
    fake.ask_for((1, 3))
    fake.ask_for((1, 100), scan_id="atlas", total_pages=100)
    list(fake.parts.queues.queue(StageRef("atlas", STAGE)).put(range(1, 101)))
    recover(recovery, times=2)
    assert fake.messages()[:3] == [(SCAN, 1), (SCAN, 2), (SCAN, 3)]
    fake.redis.flushall()
    for _ in range(3):
        recovery.recover(StageRef("atlas", STAGE))
    assert len(fake.messages()) == 16, "Celery's queue holds a window, not the book"
