"""Attempts: a page that fails is tried again or given up on, and one that storage fails loses nothing."""

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.errors import PageError, StorageError
from checkpointing.inbox import Inbox
from checkpointing.outputs import OutputFolder
from checkpointing.page_records import FailedPage
from tests.support.fake_deployment import REF, FakeDeployment
from tests.support.stages import Act, Empty, Stamp, raising, stamp
from worker.queue.messages import Outcome
from worker.queue.page_queue import PageQueue


@pytest.fixture
def fake(fake: FakeDeployment) -> FakeDeployment:
    fake.ask_for((1, 5))
    return fake


def attempts_of(fake: FakeDeployment, page: int) -> int:
    count = fake.redis.hget(fake.parts.queues.keys.attempts(REF), str(page))
    return int(count) if isinstance(count, bytes) else 0


def is_claimed(fake: FakeDeployment, page: int) -> bool:
    return bool(fake.redis.exists(fake.parts.queues.keys.claim(REF, page)))


def test_a_page_that_will_never_succeed_is_quarantined_at_once(fake: FakeDeployment) -> None:
    fake.stage.act = raising(PageError("unreadable_image", "the picture is torn"))
    assert fake.process(4) is Outcome.QUARANTINED
    (entry,) = fake.entries()
    assert isinstance(entry, FailedPage)
    assert (entry.page, entry.kind, entry.message, entry.attempts) == (
        4,
        "unreadable_image",
        "the picture is torn",
        1,
    )
    assert not is_claimed(fake, 4)
    assert fake.waiting_pages() == []


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("bad luck"), "error", "ValueError: bad luck"),
        (MemoryError(), "memory", "it took more than 4096 MB"),
        (RecursionError("too deep"), "error", "RecursionError: too deep"),
        (SoftTimeLimitExceeded(), "timeout", "it took more than 600 s"),
    ],
)
def test_a_page_that_fails_is_tried_three_times_and_then_quarantined(
    fake: FakeDeployment, error: Exception, kind: str, message: str
) -> None:
    fake.stage.act = raising(error)
    assert [fake.process(1), fake.process_next(), fake.process_next()] == [
        Outcome.TRY_AGAIN,
        Outcome.TRY_AGAIN,
        Outcome.QUARANTINED,
    ]
    assert fake.waiting_pages() == []
    (entry,) = fake.entries()
    assert isinstance(entry, FailedPage)
    assert (entry.kind, entry.attempts) == (kind, 3)
    assert entry.message.startswith(message)
    assert not fake.output_path(1).exists()


def test_a_page_that_succeeds_at_its_second_attempt_is_complete(fake: FakeDeployment) -> None:
    fake.stage.act = raising(ValueError("once"))
    assert fake.process(1) is Outcome.TRY_AGAIN
    fake.stage.act = stamp
    assert fake.process_next() is Outcome.COMPLETE
    (entry,) = fake.entries()
    assert entry.attempts == 2


@pytest.mark.parametrize("act", [lambda page: Empty(page_number=page), lambda page: stamp(page + 1)])
def test_an_output_that_the_schema_refuses_counts_as_an_attempt(fake: FakeDeployment, act: Act) -> None:
    fake.stage.act = act
    outcomes = [fake.process(1), fake.process_next(), fake.process_next()]
    assert outcomes[-1] is Outcome.QUARANTINED
    (entry,) = fake.entries()
    assert isinstance(entry, FailedPage)
    assert "the output of page 1 is invalid" in entry.message
    assert list(fake.output_path(1).parent.iterdir()) == []


def test_a_stage_that_returns_no_model_counts_as_an_attempt(fake: FakeDeployment) -> None:
    fake.stage.act = lambda _page: None  # type: ignore[assignment,return-value]  # the mistake of a new stage
    assert fake.process(1) is Outcome.TRY_AGAIN
    assert attempts_of(fake, 1) == 1


def test_the_reason_of_a_quarantined_page_is_one_line_of_bounded_length(fake: FakeDeployment) -> None:
    fake.stage.act = raising(ValueError("first line\nsecond line\n" + "x" * 100_000))
    for _ in range(3):
        fake.process(1)
    (entry,) = fake.entries()
    assert isinstance(entry, FailedPage)
    assert "\n" not in entry.message
    assert len(entry.message) < 2000


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), StorageError("the mount is away")])
def test_a_page_that_storage_fails_waits_and_loses_no_attempt(fake: FakeDeployment, error: Exception) -> None:
    fake.stage.act = raising(error)
    for _ in range(5):
        assert fake.process(1) is Outcome.WAITS
    assert attempts_of(fake, 1) == 0
    assert fake.entries() == []
    assert fake.waiting_pages() == []
    assert not is_claimed(fake, 1)
    assert not fake.output_path(1).exists()


def test_a_page_whose_output_cannot_be_saved_waits_and_leaves_nothing(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(OutputFolder, "save", refuse)
    assert fake.process(1) is Outcome.WAITS
    assert attempts_of(fake, 1) == 0
    assert fake.entries() == []


def test_a_page_that_is_safe_but_not_handed_over_is_handed_over_next_time(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise RedisConnectionError("away")

    with monkeypatch.context() as patched:
        patched.setattr(Inbox, "hand_over", away)
        assert fake.process(1) is Outcome.WAITS
    assert fake.entries() == []
    assert fake.process(1) is Outcome.ALREADY_COMPLETE
    assert fake.stage.runs == [1]
    assert [entry.page for entry in fake.entries()] == [1]


def test_a_page_that_waits_after_redis_was_flushed_can_be_claimed_at_once(fake: FakeDeployment) -> None:
    def flushed_and_full(_page: int) -> Stamp:
        fake.redis.flushall()
        raise OSError(28, "No space left on device")

    fake.stage.act = flushed_and_full
    assert fake.process(1) is Outcome.WAITS
    fake.stage.act = stamp
    assert fake.process(1) is Outcome.COMPLETE
    (entry,) = fake.entries()
    assert entry.attempts == 1


def test_a_page_whose_second_message_cannot_be_sent_is_left_to_the_reconciler(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise RedisConnectionError("away")

    monkeypatch.setattr(PageQueue, "put", away)
    fake.stage.act = raising(ValueError("bad luck"))
    assert fake.process(1) in {Outcome.WAITS, Outcome.TRY_AGAIN}
    assert not is_claimed(fake, 1)


def test_a_second_message_for_a_page_in_quarantine_does_not_have_it_worked_on_again(fake: FakeDeployment) -> None:
    fake.stage.act = raising(ValueError("bad luck"))
    for _ in range(3):
        fake.process(1)
    fake.commit()
    assert fake.process(1) is Outcome.QUARANTINED
    assert fake.stage.runs == [1, 1, 1]


def test_a_completed_page_leaves_no_count_of_its_attempts(fake: FakeDeployment) -> None:
    fake.process(1)
    fake.commit()
    assert attempts_of(fake, 1) == 0
