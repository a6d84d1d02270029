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
from checkpointing.keys import Keys, split_inbox_name
from checkpointing.models import Completion, FailedPage
from checkpointing.outputs import OutputFolder
from tests.unit.conftest import Book, Disk

KEYS = Keys("test:")
STREAM = KEYS.inbox("a-book", "ocr")
LOCK = KEYS.commit("a-book", "ocr")


@pytest.fixture
def redis() -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis(server=fakeredis.FakeServer())


def failure(page: int) -> FailedPage:
    return FailedPage(page=page, kind="crashed", message="its worker died", attempts=3)


@dataclass
class Office:
    """A book whose completions go through Redis, and who commits them."""

    book: Book
    redis: fakeredis.FakeRedis
    outputs: OutputFolder

    def coordinator(self) -> Coordinator:
        return Coordinator(self.redis, KEYS, self.book.checkpoint_file(), self.outputs)

    @property
    def inbox(self) -> Inbox:
        return Inbox(self.redis, KEYS, "a-book", "ocr")

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
def office(book: Book, redis: fakeredis.FakeRedis) -> Office:
    return Office(book, redis, book.outputs)


class TestTheInbox:
    def test_gives_back_what_was_put_in_in_order(self, office: Office) -> None:
        office.book.write(1)
        entries: list[Completion | FailedPage] = [office.completion(1), failure(2)]
        office.put(*entries)
        batch = office.inbox.read(10)
        assert batch.entries == entries
        assert (len(batch.ids), batch.refused, len(office.inbox)) == (2, 0, 2)
        assert office.inbox.pages() == {1, 2}

    def test_is_on_the_list_of_inboxes(self, office: Office) -> None:
        office.put(failure(1))
        assert office.redis.smembers(KEYS.inboxes) == {b"a-book/ocr"}
        assert split_inbox_name("a-book/ocr") == ("a-book", "ocr")

    def test_is_read_oldest_first_up_to_a_limit_and_keeps_what_was_read(self, office: Office) -> None:
        office.put(*map(failure, range(1, 6)))
        assert [entry.page for entry in office.inbox.read(2).entries] == [1, 2]
        assert len(office.inbox) == 5

    def test_loses_exactly_what_is_removed(self, office: Office) -> None:
        office.put(*map(failure, range(1, 4)))
        first, _, third = office.inbox.read(10).ids
        office.inbox.remove([first, third])
        assert office.inbox.pages() == {2}

    def test_that_nobody_used_is_empty(self, office: Office) -> None:
        assert len(office.inbox) == 0
        assert office.inbox.pages() == set()
        assert office.inbox.read(10).ids == []

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
    def test_refuses_what_was_forged_and_reads_on(self, office: Office, fields: dict[Any, Any]) -> None:
        office.redis.xadd(STREAM, fields)
        office.put(failure(2))
        batch = office.inbox.read(10)
        assert batch.entries[0].page == 2
        assert (len(batch.ids), len(batch.entries), batch.refused) == (2, 1, 1)

    def test_of_another_stage_is_another(self, office: Office) -> None:
        office.put(failure(1))
        assert len(Inbox(office.redis, KEYS, "a-book", "fix")) == 0


class TestACommit:
    def test_completes_the_pages_whose_outputs_are_there(self, office: Office) -> None:
        office.open(447)
        office.done(1, 2, 3)
        commit = office.commit()
        assert (commit.completed, commit.failed, commit.rejected, commit.refused) == ([1, 2, 3], [], [], 0)
        assert commit.summary == "3 of 447 pages complete"
        assert commit.seconds > 0
        assert office.book.on_disk()["completed_pages"] == [1, 2, 3]
        assert office.cost() == 0.06
        assert len(office.inbox) == 0

    def test_keeps_the_evidence(self, office: Office) -> None:
        office.book.write(1)
        told = office.completion(1, seconds=1.5, attempts=2, worker="host:1")
        office.put(told)
        office.commit()
        kept = office.book.on_disk()["pages"]["1"]
        assert kept == json.loads(told.model_dump_json(exclude={"page", "ledger_micro"}))

    def test_of_nothing_writes_nothing(self, office: Office) -> None:
        assert office.coordinator().commit() is None
        assert not office.book.checkpoint_path.exists()

    def test_adds_to_what_is_there(self, office: Office) -> None:
        for page in (1, 2, 3):
            office.done(page)
            office.commit()
        assert office.book.on_disk()["completed_pages"] == [1, 2, 3]

    def test_adds_to_what_another_writer_saved_meanwhile(self, office: Office) -> None:
        office.book.write(9)
        office.book.manager().mark_completed(9)
        office.done(1)
        office.commit()
        assert office.book.on_disk()["completed_pages"] == [1, 9]

    @pytest.mark.parametrize("harm", ["missing", "another hash"])
    def test_rejects_and_removes_what_storage_does_not_bear_out(self, office: Office, harm: str) -> None:
        office.done(1, 2)
        path = office.outputs.path_of(1)
        path.unlink() if harm == "missing" else path.write_text("{}")
        commit = office.commit()
        assert (commit.completed, commit.rejected) == ([2], [1])
        assert office.book.on_disk()["completed_pages"] == [2]
        assert len(office.inbox) == 0

    def test_refuses_and_removes_what_was_forged(self, office: Office) -> None:
        office.redis.xadd(STREAM, {"completion": "nonsense"})
        office.done(1)
        commit = office.commit()
        assert (commit.completed, commit.refused) == ([1], 1)
        assert len(office.inbox) == 0

    def test_is_not_stopped_by_an_entry_of_impossible_cost(self, office: Office) -> None:
        office.book.write(1, 2)
        forged = json.loads(office.completion(1).model_dump_json()) | {"cost_usd": 1e30}
        office.redis.xadd(STREAM, {"completion": json.dumps(forged)})
        office.put(office.completion(2))
        commit = office.commit()
        assert 2 in commit.completed
        assert len(office.inbox) == 0

    @pytest.mark.parametrize("kind", ["failure", "completion"])
    def test_takes_no_word_about_a_page_that_the_book_has_not(self, office: Office, kind: str) -> None:
        office.open(2)
        office.book.write(7)
        office.put(failure(7) if kind == "failure" else office.completion(7))
        office.done(1, 2)
        office.commit()
        assert office.book.on_disk()["status"] == "completed"
        assert office.book.on_disk()["completed_pages"] == [1, 2]

    def test_removes_exactly_what_it_merged(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        holds = office.outputs.holds

        def late(page: int, sha256: str) -> bool:
            office.put(failure(40 + page))
            return holds(page, sha256)

        office.done(1, 2)
        monkeypatch.setattr(office.outputs, "holds", late)
        assert office.commit().completed == [1, 2]
        assert office.inbox.pages() == {41, 42}

    def test_takes_a_bounded_batch_and_leaves_the_rest(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(coordinator_module, "BATCH_ENTRIES", 2)
        office.done(1, 2, 3)
        assert office.commit().completed == [1, 2]
        assert office.commit().completed == [3]

    def test_of_the_same_entry_twice_counts_its_cost_once(self, office: Office) -> None:
        office.done(1)
        office.put(office.completion(1))
        assert office.commit().completed == [1]
        assert office.cost() == 0.02

    def test_of_nothing_new_leaves_the_file_as_it_is(self, office: Office) -> None:
        office.done(1)
        office.commit()
        office.put(office.completion(1))
        before = office.book.checkpoint_path.read_bytes()
        assert office.commit().completed == []
        assert office.book.checkpoint_path.read_bytes() == before

    def test_adds_the_cost_of_a_page_that_a_resume_found_first(self, office: Office) -> None:
        office.done(1)
        office.book.manager().get_remaining_pages(total_pages=1)
        office.commit()
        assert office.cost() == 0.02


class TestQuarantineAndTheEnd:
    def test_a_failure_puts_its_page_in_quarantine(self, office: Office) -> None:
        office.open(3)
        office.put(failure(2))
        assert office.commit().failed == [2]
        [kept] = office.book.on_disk()["failed_pages"]
        assert (kept["page"], kept["kind"], kept["message"], kept["attempts"]) == (
            2,
            "crashed",
            "its worker died",
            3,
        )
        assert office.book.on_disk()["status"] == "in_progress"

    @pytest.mark.parametrize("order", [1, -1], ids=["completion first", "failure first"])
    def test_a_complete_page_is_never_in_quarantine(self, office: Office, order: int) -> None:
        office.book.write(1)
        entries: list[Completion | FailedPage] = [office.completion(1), failure(1)]
        office.put(*entries[::order])
        office.commit()
        assert office.book.on_disk()["completed_pages"] == [1]
        assert office.book.on_disk()["failed_pages"] == []

    def test_a_quarantined_page_that_completes_after_all_leaves_it(self, office: Office) -> None:
        office.open(1)
        office.put(failure(1))
        office.commit()
        assert office.book.on_disk()["status"] == "failed"
        office.done(1)
        office.commit()
        assert office.book.on_disk()["failed_pages"] == []
        assert (office.book.on_disk()["status"], office.book.on_disk()["error"]) == ("completed", None)

    def test_the_last_page_completes_the_stage(self, office: Office) -> None:
        office.open(3)
        office.done(1, 2)
        office.commit()
        assert office.book.on_disk()["status"] == "in_progress"
        office.done(3)
        assert office.commit().summary == "3 of 3 pages complete"
        assert office.book.on_disk()["status"] == "completed"
        assert office.book.on_disk()["completed_at"] is not None

    def test_the_last_page_of_what_was_asked_for_makes_it_partial(self, office: Office) -> None:
        office.open(9, end=2)
        office.done(1, 2)
        office.commit()
        assert office.book.on_disk()["status"] == "partial"

    def test_the_last_page_fails_a_stage_with_pages_in_quarantine_in_these_words(self, office: Office) -> None:
        office.open(447)
        office.done(*range(1, 444))
        office.put(*map(failure, range(444, 448)))
        commit = office.commit()
        assert commit.summary == "443 of 447 pages complete, 4 quarantined"
        assert office.book.on_disk()["status"] == "failed"
        assert office.book.on_disk()["error"] == "443 of 447 pages complete, 4 quarantined"
        assert len(office.book.on_disk()["completed_pages"]) == 443

    def test_a_stage_whose_last_pages_a_resume_adopted_is_completed_all_the_same(self, office: Office) -> None:
        office.open(2)
        office.done(1, 2)
        office.book.manager().get_remaining_pages(total_pages=2)
        office.put(*(office.completion(page, cost_usd=None) for page in (1, 2)))
        office.commit()
        assert office.book.on_disk()["status"] == "completed"


class TestTheLock:
    def test_held_by_another_means_that_nothing_is_done(self, office: Office) -> None:
        office.done(1)
        office.redis.set(LOCK, "another", ex=60)
        assert office.coordinator().commit() is None
        assert len(office.inbox) == 1
        assert not office.book.checkpoint_path.exists()
        assert office.redis.get(LOCK) == b"another"

    @pytest.mark.parametrize("entries", [0, 3])
    def test_is_kept_for_the_pause_after_a_commit(
        self, office: Office, monkeypatch: pytest.MonkeyPatch, entries: int
    ) -> None:
        # The pause of 50 ms may have passed before a busy machine looks.
        monkeypatch.setattr("checkpointing.coordinator.MIN_PAUSE_SECONDS", 60)
        office.done(*range(1, entries + 1))
        office.coordinator().commit()
        assert 30_000 < office.lock_left() <= 60_000
        office.done(9)
        assert office.coordinator().commit() is None

    def test_that_ran_out_and_went_to_another_stays_with_the_other(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        holds = office.outputs.holds

        def slow(page: int, sha256: str) -> bool:
            office.redis.set(LOCK, "another", px=20_000)
            return holds(page, sha256)

        office.done(1)
        monkeypatch.setattr(office.outputs, "holds", slow)
        office.commit()
        assert office.redis.get(LOCK) == b"another"
        assert office.lock_left() > 15_000

    def test_that_ran_out_lets_two_commit_and_neither_loses_the_others_pages(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paused = office.coordinator()
        read = paused.inbox.read

        def read_then_pause(limit: int) -> Any:
            batch = read(limit)
            office.done(2)
            office.commit()
            return batch

        office.done(1)
        monkeypatch.setattr(paused.inbox, "read", read_then_pause)
        office.redis.delete(LOCK)
        assert paused.commit() is not None
        assert office.book.on_disk()["completed_pages"] == [1, 2]
        assert office.cost() == 0.04
        assert len(office.inbox) == 0

    def test_on_the_file_held_by_another_means_later(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(coordinator_module, "_FLOCK_TIMEOUT_SECONDS", 0.03)
        office.done(1)
        with office.book.checkpoint_file().exclusive():
            assert office.coordinator().commit() is None
        assert len(office.inbox) == 1
        assert office.commit().completed == [1]


class TestTrouble:
    @pytest.mark.parametrize("call", [1, 2, 3, 4], ids=["write", "fsync", "replace", "fsync of the folder"])
    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
    def test_a_failing_disk_leaves_the_inbox_and_saying_it_again_counts_once(
        self, office: Office, disk: Disk, call: int, error: int
    ) -> None:
        office.open(2)
        office.done(1)
        office.put(failure(2))
        ids = office.inbox.read(10).ids
        disk.break_at(call, error)
        with pytest.raises(OSError) as caught:  # noqa: PT011  # its errno is looked at
            office.commit()
        assert caught.value.errno == error
        assert office.inbox.read(10).ids == ids
        disk.mend()
        office.commit()
        assert office.book.on_disk()["completed_pages"] == [1]
        assert office.cost() == 0.02
        assert len(office.inbox) == 0

    def test_a_failing_disk_keeps_the_lock_for_the_pause(self, office: Office, disk: Disk) -> None:
        office.open(1)
        office.done(1)
        disk.break_at(1, errno.ENOSPC)
        with pytest.raises(OSError, match="No space"):
            office.commit()
        assert 0 < office.lock_left() < 10_000

    def test_a_failing_disk_fails_the_same_coordinator_only_once(self, office: Office, disk: Disk) -> None:
        office.open(1)
        office.done(1)
        coordinator = office.coordinator()
        disk.break_at(1, errno.ENOSPC)
        with pytest.raises(OSError, match="No space"):
            coordinator.commit()
        disk.mend()
        office.redis.delete(LOCK)
        commit = coordinator.commit()
        assert commit is not None
        assert commit.completed == [1]
        assert office.book.on_disk()["completed_pages"] == [1]

    def test_a_broker_that_fails_at_the_removal_costs_nothing(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise RedisConnectionError("connection reset")

        office.done(1)
        coordinator = office.coordinator()
        monkeypatch.setattr(coordinator.inbox, "remove", fail)
        with pytest.raises(RedisConnectionError):
            coordinator.commit()
        assert office.cost() == 0.02
        assert len(office.inbox) == 1
        assert office.commit().completed == []
        assert office.cost() == 0.02
        assert len(office.inbox) == 0

    @pytest.mark.parametrize(
        "damage",
        [lambda raw: raw[:-20], lambda _: b"", lambda _: b"\x00" * 99],
        ids=["truncated", "empty", "zeros"],
    )
    def test_a_corrupt_checkpoint_is_rebuilt_from_the_outputs(
        self, office: Office, damage: Callable[[bytes], bytes]
    ) -> None:
        office.open(5)
        office.done(1, 2)
        office.commit()
        office.book.write_checkpoint(damage(office.book.checkpoint_path.read_bytes()))
        office.done(3)
        office.commit()
        assert office.book.on_disk()["completed_pages"] == [1, 2, 3]
        assert len(office.book.set_aside()) == 1
        assert len(office.inbox) == 0
        assert office.book.on_disk()["status"] != "completed"

    def test_a_truncated_checkpoint_keeps_its_cost_and_what_was_asked_for(self, office: Office) -> None:
        office.open(5)
        office.done(1, 2)
        office.commit()
        office.book.write_checkpoint(office.book.checkpoint_path.read_bytes()[:-20])
        office.put(failure(3))
        office.commit()
        assert office.cost() == 0.04
        assert office.book.on_disk()["requested"] == [[1, 5]]
        assert office.book.on_disk()["status"] == "in_progress"

    @pytest.mark.parametrize("call", range(1, 9))
    def test_a_disk_that_fails_while_a_corrupt_checkpoint_is_rebuilt_loses_nothing(
        self, office: Office, disk: Disk, call: int
    ) -> None:
        office.open(3)
        office.done(1, 2)
        office.commit()
        office.book.write_checkpoint(office.book.checkpoint_path.read_bytes()[:-20])
        office.put(failure(3))
        disk.break_at(call, errno.EIO)
        with contextlib.suppress(OSError):
            office.commit()
        disk.mend()
        office.redis.delete(LOCK)
        office.coordinator().commit()
        told = office.book.on_disk()
        assert told["completed_pages"] == [1, 2]
        assert [failed["page"] for failed in told["failed_pages"]] == [3]
        assert told["requested"] == [[1, 3]]
        assert office.cost() == 0.04


def test_a_producer_merges_what_waits_and_removes_it_after_its_save(office: Office) -> None:
    office.done(1)
    office.put(failure(2))
    office.redis.xadd(STREAM, {"completion": "nonsense"})
    file, coordinator = office.book.checkpoint_file(), office.coordinator()
    with file.exclusive() as checkpoint:
        ids = coordinator.merge_into(checkpoint)
        assert checkpoint.completed_pages == [1]
        assert checkpoint.quarantined() == {2}
    assert len(office.inbox) == len(ids) == 3


@pytest.mark.parametrize("text", ["a-book/ocr", "a.b_c-1/my-stage"])
def test_the_name_of_an_inbox_can_be_taken_apart(text: str) -> None:
    assert "/".join(split_inbox_name(text)) == text
