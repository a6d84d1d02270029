import contextlib
import errno
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fakeredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing import coordinator as coordinator_module
from checkpointing.coordinator import Commit, Coordinator
from checkpointing.inbox import Inbox
from checkpointing.keys import CheckpointKeys
from checkpointing.messages import Completion
from checkpointing.outputs import OutputFolder
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from tests.unit.conftest import Book, Disk

KEYS = CheckpointKeys("test:")
STREAM = KEYS.inbox(StageRef("a-book", "ocr"))
LOCK = KEYS.commit(StageRef("a-book", "ocr"))


def failure(page: int) -> FailedPage:
    return FailedPage(page=page, kind="crashed", message="its worker died", attempts=3)


@dataclass
class CoordinatorSetup:
    """A book whose completions go through Redis, and who commits them."""

    book: Book
    redis: fakeredis.FakeRedis
    outputs: OutputFolder

    def coordinator(self) -> Coordinator:
        return Coordinator(self.redis, KEYS, self.book.checkpoint_file(), self.outputs)

    @property
    def inbox(self) -> Inbox:
        return Inbox(self.redis, KEYS, StageRef("a-book", "ocr"))

    def put(self, *entries: Completion | FailedPage) -> None:
        with self.redis.pipeline() as pipeline:
            for entry in entries:
                self.inbox.put(entry, pipeline)
            pipeline.execute()

    def completion(self, page: int, **changes: Any) -> Completion:
        """What a worker hands over for the output as it stands."""
        honest = {"page": page, "sha256": self.outputs.check(page).sha256, "schema_version": "1", "cost_usd": 0.02}
        return Completion.model_validate(honest | changes)

    def done(self, *pages: int) -> None:
        """Save these pages and hand them over, as a worker does."""
        self.book.write(*pages)
        self.put(*(self.completion(page) for page in pages))

    def open(self, total_pages: int, end: int | None = None) -> None:
        """Ask for pages, as the producer does."""
        file = self.book.checkpoint_file()
        with file.exclusive() as checkpoint:
            checkpoint.total_pages = total_pages
            checkpoint.request(1, end or total_pages)
            checkpoint.begin()
            file.save(checkpoint)

    def commit(self) -> Commit:
        """Commit once the pause after the last commit is over."""
        self.redis.delete(LOCK)
        commit = self.coordinator().commit()
        assert commit is not None
        return commit

    def lock_left(self) -> int:
        """How much longer the lock is kept, in milliseconds."""
        return int(self.redis.pttl(LOCK))

    def cost(self) -> float:
        return float(self.book.on_disk()["metadata"]["total_cost_usd"])


@pytest.fixture
def setup(book: Book, redis: fakeredis.FakeRedis) -> CoordinatorSetup:
    return CoordinatorSetup(book, redis, book.outputs)


class TestTheInbox:
    def test_gives_back_what_was_put_in_in_order(self, setup: CoordinatorSetup) -> None:
        setup.book.write(1)
        entries: list[Completion | FailedPage] = [setup.completion(1), failure(2)]
        setup.put(*entries)
        batch = setup.inbox.read(10)
        assert batch.entries == entries
        assert (len(batch.ids), batch.refused, len(setup.inbox)) == (2, 0, 2)
        assert setup.inbox.pages() == {1, 2}

    def test_is_on_the_list_of_inboxes(self, setup: CoordinatorSetup) -> None:
        setup.put(failure(1))
        assert setup.redis.smembers(KEYS.inboxes) == {b"a-book/ocr"}
        assert StageRef.parse("a-book/ocr") == StageRef("a-book", "ocr")

    def test_is_read_oldest_first_up_to_a_limit_and_keeps_what_was_read(self, setup: CoordinatorSetup) -> None:
        setup.put(*map(failure, range(1, 6)))
        assert [entry.page for entry in setup.inbox.read(2).entries] == [1, 2]
        assert len(setup.inbox) == 5

    def test_loses_exactly_what_is_removed(self, setup: CoordinatorSetup) -> None:
        setup.put(*map(failure, range(1, 4)))
        first, _, third = setup.inbox.read(10).ids
        setup.inbox.remove([first, third])
        assert setup.inbox.pages() == {2}

    def test_an_unused_inbox_is_empty(self, setup: CoordinatorSetup) -> None:
        assert len(setup.inbox) == 0
        assert setup.inbox.pages() == set()
        assert setup.inbox.read(10).ids == []

    @pytest.mark.parametrize(
        "fields",
        [
            {"completion": "nonsense"},
            {"completion": "{}"},
            {"completion": b"\xff\xfe"},
            {"completion": '{"page": 1, "sha256": "../../etc/passwd", "schema_version": "1"}'},
            {"failure": '{"page": 0, "kind": "x", "message": "x"}'},
            {"failure": "[" * 10_000},
            {"command": "rm"},
        ],
        ids=repr,
    )
    def test_refuses_what_was_forged_and_reads_on(self, setup: CoordinatorSetup, fields: dict[Any, Any]) -> None:
        setup.redis.xadd(STREAM, fields)
        setup.put(failure(2))
        batch = setup.inbox.read(10)
        assert batch.entries[0].page == 2
        assert (len(batch.ids), len(batch.entries), batch.refused) == (2, 1, 1)

    def test_of_another_stage_is_another(self, setup: CoordinatorSetup) -> None:
        setup.put(failure(1))
        assert len(Inbox(setup.redis, KEYS, StageRef("a-book", "fix"))) == 0


class TestACommit:
    def test_completes_the_pages_whose_outputs_are_there(self, setup: CoordinatorSetup) -> None:
        setup.open(447)
        setup.done(1, 2, 3)
        commit = setup.commit()
        assert (commit.completed, commit.failed, commit.rejected, commit.refused) == ([1, 2, 3], [], [], 0)
        assert commit.summary == "3 of 447 pages complete"
        assert commit.seconds > 0
        assert setup.book.on_disk()["completed_pages"] == [1, 2, 3]
        assert setup.cost() == 0.06
        assert len(setup.inbox) == 0

    def test_keeps_the_evidence(self, setup: CoordinatorSetup) -> None:
        setup.book.write(1)
        told = setup.completion(1, seconds=1.5, attempts=2, worker="host:1", cpu_seconds=0.75)
        setup.put(told)
        setup.commit()
        kept = setup.book.on_disk()["pages"]["1"]
        assert kept == json.loads(told.model_dump_json(exclude={"page", "ledger_micro"})) | {"cpu_seconds": 0.75}

    def test_of_nothing_writes_nothing(self, setup: CoordinatorSetup) -> None:
        assert setup.coordinator().commit() is None
        assert not setup.book.checkpoint_path.exists()

    def test_adds_to_what_is_there(self, setup: CoordinatorSetup) -> None:
        for page in (1, 2, 3):
            setup.done(page)
            setup.commit()
        assert setup.book.on_disk()["completed_pages"] == [1, 2, 3]

    def test_adds_to_what_another_writer_saved_meanwhile(self, setup: CoordinatorSetup) -> None:
        setup.book.write(9)
        setup.book.manager().mark_completed(9)
        setup.done(1)
        setup.commit()
        assert setup.book.on_disk()["completed_pages"] == [1, 9]

    @pytest.mark.parametrize("harm", ["missing", "another hash"])
    def test_rejects_and_removes_what_storage_does_not_bear_out(self, setup: CoordinatorSetup, harm: str) -> None:
        setup.done(1, 2)
        path = setup.outputs.path_of(1)
        path.unlink() if harm == "missing" else path.write_text("{}")
        commit = setup.commit()
        assert (commit.completed, commit.rejected) == ([2], [1])
        assert setup.book.on_disk()["completed_pages"] == [2]
        assert len(setup.inbox) == 0

    def test_refuses_and_removes_what_was_forged(self, setup: CoordinatorSetup) -> None:
        setup.redis.xadd(STREAM, {"completion": "nonsense"})
        setup.done(1)
        commit = setup.commit()
        assert (commit.completed, commit.refused) == ([1], 1)
        assert len(setup.inbox) == 0

    def test_is_not_stopped_by_an_entry_of_impossible_cost(self, setup: CoordinatorSetup) -> None:
        setup.book.write(1, 2)
        forged = json.loads(setup.completion(1).model_dump_json()) | {"cost_usd": 1e30}
        setup.redis.xadd(STREAM, {"completion": json.dumps(forged)})
        setup.put(setup.completion(2))
        commit = setup.commit()
        assert 2 in commit.completed
        assert len(setup.inbox) == 0

    @pytest.mark.parametrize("kind", ["failure", "completion"])
    def test_takes_no_word_about_a_page_that_the_book_has_not(self, setup: CoordinatorSetup, kind: str) -> None:
        setup.open(2)
        setup.book.write(7)
        setup.put(failure(7) if kind == "failure" else setup.completion(7))
        setup.done(1, 2)
        setup.commit()
        assert setup.book.on_disk()["status"] == "completed"
        assert setup.book.on_disk()["completed_pages"] == [1, 2]

    def test_removes_exactly_what_it_merged(self, setup: CoordinatorSetup, monkeypatch: pytest.MonkeyPatch) -> None:
        holds = setup.outputs.holds

        def late(page: int, sha256: str) -> bool:
            setup.put(failure(40 + page))
            return holds(page, sha256)

        setup.done(1, 2)
        monkeypatch.setattr(setup.outputs, "holds", late)
        assert setup.commit().completed == [1, 2]
        assert setup.inbox.pages() == {41, 42}

    def test_takes_a_bounded_batch_and_leaves_the_rest(
        self, setup: CoordinatorSetup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(coordinator_module, "BATCH_ENTRIES", 2)
        setup.done(1, 2, 3)
        assert setup.commit().completed == [1, 2]
        assert setup.commit().completed == [3]

    def test_of_the_same_entry_twice_counts_its_cost_once(self, setup: CoordinatorSetup) -> None:
        setup.done(1)
        setup.put(setup.completion(1))
        assert setup.commit().completed == [1]
        assert setup.cost() == 0.02

    def test_of_nothing_new_leaves_the_file_as_it_is(self, setup: CoordinatorSetup) -> None:
        setup.done(1)
        setup.commit()
        setup.put(setup.completion(1))
        before = setup.book.checkpoint_path.read_bytes()
        assert setup.commit().completed == []
        assert setup.book.checkpoint_path.read_bytes() == before

    def test_adds_the_cost_of_a_page_that_a_resume_found_first(self, setup: CoordinatorSetup) -> None:
        setup.done(1)
        setup.book.manager().get_remaining_pages(total_pages=1)
        setup.commit()
        assert setup.cost() == 0.02


class TestQuarantineAndTheEnd:
    def test_a_failure_puts_its_page_in_quarantine(self, setup: CoordinatorSetup) -> None:
        setup.open(3)
        setup.put(failure(2))
        assert setup.commit().failed == [2]
        [kept] = setup.book.on_disk()["failed_pages"]
        assert (kept["page"], kept["kind"], kept["message"], kept["attempts"]) == (
            2,
            "crashed",
            "its worker died",
            3,
        )
        assert setup.book.on_disk()["status"] == "in_progress"

    @pytest.mark.parametrize("order", [1, -1], ids=["completion first", "failure first"])
    def test_a_complete_page_is_never_in_quarantine(self, setup: CoordinatorSetup, order: int) -> None:
        setup.book.write(1)
        entries: list[Completion | FailedPage] = [setup.completion(1), failure(1)]
        setup.put(*entries[::order])
        setup.commit()
        assert setup.book.on_disk()["completed_pages"] == [1]
        assert setup.book.on_disk()["failed_pages"] == []

    def test_a_quarantined_page_that_completes_after_all_leaves_it(self, setup: CoordinatorSetup) -> None:
        setup.open(1)
        setup.put(failure(1))
        setup.commit()
        assert setup.book.on_disk()["status"] == "failed"
        setup.done(1)
        setup.commit()
        assert setup.book.on_disk()["failed_pages"] == []
        assert (setup.book.on_disk()["status"], setup.book.on_disk()["error"]) == ("completed", None)

    def test_the_last_page_completes_the_stage(self, setup: CoordinatorSetup) -> None:
        setup.open(3)
        setup.done(1, 2)
        setup.commit()
        assert setup.book.on_disk()["status"] == "in_progress"
        setup.done(3)
        assert setup.commit().summary == "3 of 3 pages complete"
        assert setup.book.on_disk()["status"] == "completed"
        assert setup.book.on_disk()["completed_at"] is not None

    def test_the_last_page_of_what_was_asked_for_makes_it_partial(self, setup: CoordinatorSetup) -> None:
        setup.open(9, end=2)
        setup.done(1, 2)
        setup.commit()
        assert setup.book.on_disk()["status"] == "partial"

    def test_the_last_page_fails_a_stage_with_pages_in_quarantine_in_these_words(
        self, setup: CoordinatorSetup
    ) -> None:
        setup.open(447)
        setup.done(*range(1, 444))
        setup.put(*map(failure, range(444, 448)))
        commit = setup.commit()
        assert commit.summary == "443 of 447 pages complete, 4 quarantined"
        assert setup.book.on_disk()["status"] == "failed"
        assert setup.book.on_disk()["error"] == "443 of 447 pages complete, 4 quarantined"
        assert len(setup.book.on_disk()["completed_pages"]) == 443

    def test_a_stage_whose_last_pages_a_resume_adopted_is_completed_all_the_same(
        self, setup: CoordinatorSetup
    ) -> None:
        setup.open(2)
        setup.done(1, 2)
        setup.book.manager().get_remaining_pages(total_pages=2)
        setup.put(*(setup.completion(page, cost_usd=None) for page in (1, 2)))
        setup.commit()
        assert setup.book.on_disk()["status"] == "completed"


class TestTheLock:
    def test_held_by_another_means_that_nothing_is_done(self, setup: CoordinatorSetup) -> None:
        setup.done(1)
        setup.redis.set(LOCK, "another", ex=60)
        assert setup.coordinator().commit() is None
        assert len(setup.inbox) == 1
        assert not setup.book.checkpoint_path.exists()
        assert setup.redis.get(LOCK) == b"another"

    @pytest.mark.parametrize("entries", [0, 3])
    def test_is_kept_for_the_pause_after_a_commit(
        self, setup: CoordinatorSetup, monkeypatch: pytest.MonkeyPatch, entries: int
    ) -> None:
        # The pause of 50 ms may have passed before a busy machine looks.
        monkeypatch.setattr("checkpointing.coordinator.MIN_PAUSE_SECONDS", 60)
        setup.done(*range(1, entries + 1))
        setup.coordinator().commit()
        assert 30_000 < setup.lock_left() <= 60_000
        setup.done(9)
        assert setup.coordinator().commit() is None

    def test_that_ran_out_and_went_to_another_stays_with_the_other(
        self, setup: CoordinatorSetup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        holds = setup.outputs.holds

        def slow(page: int, sha256: str) -> bool:
            setup.redis.set(LOCK, "another", px=20_000)
            return holds(page, sha256)

        setup.done(1)
        monkeypatch.setattr(setup.outputs, "holds", slow)
        setup.commit()
        assert setup.redis.get(LOCK) == b"another"
        assert setup.lock_left() > 15_000

    def test_that_ran_out_lets_two_commit_and_neither_loses_the_others_pages(
        self, setup: CoordinatorSetup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paused = setup.coordinator()
        read = paused.inbox.read

        def read_then_pause(limit: int) -> Any:
            batch = read(limit)
            setup.done(2)
            setup.commit()
            return batch

        setup.done(1)
        monkeypatch.setattr(paused.inbox, "read", read_then_pause)
        setup.redis.delete(LOCK)
        assert paused.commit() is not None
        assert setup.book.on_disk()["completed_pages"] == [1, 2]
        assert setup.cost() == 0.04
        assert len(setup.inbox) == 0

    def test_on_the_file_held_by_another_means_later(
        self, setup: CoordinatorSetup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(coordinator_module, "_FLOCK_TIMEOUT_SECONDS", 0.03)
        setup.done(1)
        with setup.book.checkpoint_file().exclusive():
            assert setup.coordinator().commit() is None
        assert len(setup.inbox) == 1
        assert setup.commit().completed == [1]


class TestTrouble:
    @pytest.mark.parametrize("call", [1, 2, 3, 4], ids=["write", "fsync", "replace", "fsync of the folder"])
    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
    def test_a_failing_disk_leaves_the_inbox_and_saying_it_again_counts_once(
        self, setup: CoordinatorSetup, disk: Disk, call: int, error: int
    ) -> None:
        setup.open(2)
        setup.done(1)
        setup.put(failure(2))
        ids = setup.inbox.read(10).ids
        disk.break_at(call, error)
        with pytest.raises(OSError) as caught:  # noqa: PT011  # its errno is looked at
            setup.commit()
        assert caught.value.errno == error
        assert setup.inbox.read(10).ids == ids
        disk.mend()
        setup.commit()
        assert setup.book.on_disk()["completed_pages"] == [1]
        assert setup.cost() == 0.02
        assert len(setup.inbox) == 0

    def test_a_failing_disk_keeps_the_lock_for_the_pause(self, setup: CoordinatorSetup, disk: Disk) -> None:
        setup.open(1)
        setup.done(1)
        disk.break_at(1, errno.ENOSPC)
        with pytest.raises(OSError, match="No space"):
            setup.commit()
        assert 0 < setup.lock_left() < 10_000

    def test_a_failing_disk_fails_the_same_coordinator_only_once(self, setup: CoordinatorSetup, disk: Disk) -> None:
        setup.open(1)
        setup.done(1)
        coordinator = setup.coordinator()
        disk.break_at(1, errno.ENOSPC)
        with pytest.raises(OSError, match="No space"):
            coordinator.commit()
        disk.mend()
        setup.redis.delete(LOCK)
        commit = coordinator.commit()
        assert commit is not None
        assert commit.completed == [1]
        assert setup.book.on_disk()["completed_pages"] == [1]

    def test_a_broker_that_fails_at_the_removal_costs_nothing(
        self, setup: CoordinatorSetup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise RedisConnectionError("connection reset")

        setup.done(1)
        coordinator = setup.coordinator()
        monkeypatch.setattr(coordinator.inbox, "remove", fail)
        with pytest.raises(RedisConnectionError):
            coordinator.commit()
        assert setup.cost() == 0.02
        assert len(setup.inbox) == 1
        assert setup.commit().completed == []
        assert setup.cost() == 0.02
        assert len(setup.inbox) == 0

    @pytest.mark.parametrize(
        "damage",
        [lambda raw: raw[:-20], lambda _: b"", lambda _: b"\x00" * 99],
        ids=["truncated", "empty", "zeros"],
    )
    def test_a_corrupt_checkpoint_is_rebuilt_from_the_outputs(
        self, setup: CoordinatorSetup, damage: Callable[[bytes], bytes]
    ) -> None:
        setup.open(5)
        setup.done(1, 2)
        setup.commit()
        setup.book.write_checkpoint(damage(setup.book.checkpoint_path.read_bytes()))
        setup.done(3)
        setup.commit()
        assert setup.book.on_disk()["completed_pages"] == [1, 2, 3]
        assert len(setup.book.set_aside()) == 1
        assert len(setup.inbox) == 0
        assert setup.book.on_disk()["status"] != "completed"

    def test_a_truncated_checkpoint_keeps_its_cost_and_what_was_asked_for(self, setup: CoordinatorSetup) -> None:
        setup.open(5)
        setup.done(1, 2)
        setup.commit()
        setup.book.write_checkpoint(setup.book.checkpoint_path.read_bytes()[:-20])
        setup.put(failure(3))
        setup.commit()
        assert setup.cost() == 0.04
        assert setup.book.on_disk()["requested"] == [[1, 5]]
        assert setup.book.on_disk()["status"] == "in_progress"

    @pytest.mark.parametrize("call", range(1, 9))
    def test_a_disk_that_fails_while_a_corrupt_checkpoint_is_rebuilt_loses_nothing(
        self, setup: CoordinatorSetup, disk: Disk, call: int
    ) -> None:
        setup.open(3)
        setup.done(1, 2)
        setup.commit()
        setup.book.write_checkpoint(setup.book.checkpoint_path.read_bytes()[:-20])
        setup.put(failure(3))
        disk.break_at(call, errno.EIO)
        with contextlib.suppress(OSError):
            setup.commit()
        disk.mend()
        setup.redis.delete(LOCK)
        setup.coordinator().commit()
        told = setup.book.on_disk()
        assert told["completed_pages"] == [1, 2]
        assert [failed["page"] for failed in told["failed_pages"]] == [3]
        assert told["requested"] == [[1, 3]]
        assert setup.cost() == 0.04


def test_a_producer_merges_what_waits_and_removes_it_after_its_save(setup: CoordinatorSetup) -> None:
    setup.done(1)
    setup.put(failure(2))
    setup.redis.xadd(STREAM, {"completion": "nonsense"})
    file, coordinator = setup.book.checkpoint_file(), setup.coordinator()
    with file.exclusive() as checkpoint:
        ids = coordinator.merge_into(checkpoint)
        assert checkpoint.completed_pages == [1]
        assert checkpoint.quarantined() == {2}
    assert len(setup.inbox) == len(ids) == 3


@pytest.mark.parametrize("text", ["a-book/ocr", "a.b_c-1/my-stage"])
def test_the_name_of_an_inbox_can_be_taken_apart(text: str) -> None:
    assert str(StageRef.parse(text)) == text
