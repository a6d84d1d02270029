"""Attempts: a page that fails is tried again or given up on, and one that storage fails loses nothing."""

from pathlib import Path

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.errors import PageError, StorageError
from checkpointing.inbox import Inbox
from checkpointing.models import FailedPage
from checkpointing.outputs import OutputFolder
from tests.support.fake_deployment import SCAN, STAGE, Shop, make_shop
from tests.support.stages import Act, Empty, Stamp, raising, stamp
from worker.pipeline.process_page import Outcome
from worker.queue.page_queue import PageQueue


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = make_shop(tmp_path / "scans", monkeypatch)
    made.write_scan()
    made.ask_for((1, 5))
    return made


def attempts_of(shop: Shop, page: int) -> int:
    count = shop.redis.hget(shop.workshop.keys.attempts(SCAN, STAGE), str(page))
    return int(count) if isinstance(count, bytes) else 0


def is_claimed(shop: Shop, page: int) -> bool:
    return bool(shop.redis.exists(shop.workshop.keys.claim(SCAN, STAGE, page)))


def test_a_page_that_will_never_succeed_is_quarantined_at_once(shop: Shop) -> None:
    shop.stage.act = raising(PageError("unreadable_image", "the picture is torn"))
    assert shop.process(4) is Outcome.QUARANTINED
    (entry,) = shop.entries()
    assert isinstance(entry, FailedPage)
    assert (entry.page, entry.kind, entry.message, entry.attempts) == (
        4,
        "unreadable_image",
        "the picture is torn",
        1,
    )
    assert not is_claimed(shop, 4)
    assert shop.waiting_pages() == []


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
    shop: Shop, error: Exception, kind: str, message: str
) -> None:
    shop.stage.act = raising(error)
    assert [shop.process(1), shop.process_next(), shop.process_next()] == [
        Outcome.TRY_AGAIN,
        Outcome.TRY_AGAIN,
        Outcome.QUARANTINED,
    ]
    assert shop.waiting_pages() == []
    (entry,) = shop.entries()
    assert isinstance(entry, FailedPage)
    assert (entry.kind, entry.attempts) == (kind, 3)
    assert entry.message.startswith(message)
    assert not shop.output_path(1).exists()


def test_a_page_that_succeeds_at_its_second_attempt_is_complete(shop: Shop) -> None:
    shop.stage.act = raising(ValueError("once"))
    assert shop.process(1) is Outcome.TRY_AGAIN
    shop.stage.act = stamp
    assert shop.process_next() is Outcome.COMPLETE
    (entry,) = shop.entries()
    assert entry.attempts == 2


@pytest.mark.parametrize("act", [lambda page: Empty(page_number=page), lambda page: stamp(page + 1)])
def test_an_output_that_the_schema_refuses_counts_as_an_attempt(shop: Shop, act: Act) -> None:
    shop.stage.act = act
    outcomes = [shop.process(1), shop.process_next(), shop.process_next()]
    assert outcomes[-1] is Outcome.QUARANTINED
    (entry,) = shop.entries()
    assert isinstance(entry, FailedPage)
    assert "the output of page 1 is invalid" in entry.message
    assert list(shop.output_path(1).parent.iterdir()) == []


def test_a_stage_that_returns_no_model_counts_as_an_attempt(shop: Shop) -> None:
    shop.stage.act = lambda _page: None  # type: ignore[assignment,return-value]  # the mistake of a new stage
    assert shop.process(1) is Outcome.TRY_AGAIN
    assert attempts_of(shop, 1) == 1


def test_the_reason_of_a_quarantined_page_is_one_line_of_bounded_length(shop: Shop) -> None:
    shop.stage.act = raising(ValueError("first line\nsecond line\n" + "x" * 100_000))
    for _ in range(3):
        shop.process(1)
    (entry,) = shop.entries()
    assert isinstance(entry, FailedPage)
    assert "\n" not in entry.message
    assert len(entry.message) < 2000


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), StorageError("the mount is away")])
def test_a_page_that_storage_fails_waits_and_loses_no_attempt(shop: Shop, error: Exception) -> None:
    shop.stage.act = raising(error)
    for _ in range(5):
        assert shop.process(1) is Outcome.WAITS
    assert attempts_of(shop, 1) == 0
    assert shop.entries() == []
    assert shop.waiting_pages() == []
    assert not is_claimed(shop, 1)
    assert not shop.output_path(1).exists()


def test_a_page_whose_output_cannot_be_saved_waits_and_leaves_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(OutputFolder, "save", refuse)
    assert shop.process(1) is Outcome.WAITS
    assert attempts_of(shop, 1) == 0
    assert shop.entries() == []


def test_a_page_that_is_safe_but_not_handed_over_is_handed_over_next_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise RedisConnectionError("away")

    with monkeypatch.context() as patched:
        patched.setattr(Inbox, "hand_over", away)
        assert shop.process(1) is Outcome.WAITS
    assert shop.entries() == []
    assert shop.process(1) is Outcome.ALREADY_COMPLETE
    assert shop.stage.runs == [1]
    assert [entry.page for entry in shop.entries()] == [1]


def test_a_page_that_waits_after_redis_was_flushed_can_be_claimed_at_once(shop: Shop) -> None:
    def flushed_and_full(_page: int) -> Stamp:
        shop.redis.flushall()
        raise OSError(28, "No space left on device")

    shop.stage.act = flushed_and_full
    assert shop.process(1) is Outcome.WAITS
    shop.stage.act = stamp
    assert shop.process(1) is Outcome.COMPLETE
    (entry,) = shop.entries()
    assert entry.attempts == 1


def test_a_page_whose_second_message_cannot_be_sent_is_left_to_the_steward(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise RedisConnectionError("away")

    monkeypatch.setattr(PageQueue, "put", away)
    shop.stage.act = raising(ValueError("bad luck"))
    assert shop.process(1) in {Outcome.WAITS, Outcome.TRY_AGAIN}
    assert not is_claimed(shop, 1)


def test_a_second_message_for_a_page_in_quarantine_does_not_have_it_worked_on_again(shop: Shop) -> None:
    shop.stage.act = raising(ValueError("bad luck"))
    for _ in range(3):
        shop.process(1)
    shop.commit()
    assert shop.process(1) is Outcome.QUARANTINED
    assert shop.stage.runs == [1, 1, 1]


def test_a_completed_page_leaves_no_count_of_its_attempts(shop: Shop) -> None:
    shop.process(1)
    shop.commit()
    assert attempts_of(shop, 1) == 0
