import contextlib
import errno
import json
import os
import re
import threading
from typing import Any

import pytest

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError
from checkpointing.money import Money
from checkpointing.page_records import PageRecord
from checkpointing.status import Status
from tests.support.waiting import HANG_SECONDS
from tests.unit.conftest import Book, Disk

A = "a" * 64
OLD: dict[str, Any] = {
    "version": "1.0",
    "scan_id": "a-book",
    "stage": "ocr",
    "status": "in_progress",
    "completed_pages": [1, 2],
    "total_pages": 4,
    "progress": {"completed": 2, "remaining": 2, "percent": 50.0},
    "metadata": {"total_cost_usd": 1.5, "model": "m-1"},
}
CURRENT = OLD | {"version": "2.0", "output_dir": "ocr"}
UNUSABLE: dict[str, bytes | dict[str, Any]] = {
    "empty": b"",
    "zeros": b"\x00" * 300,
    "not JSON": b"nonsense",
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "no fields": {},
    "another book": CURRENT | {"scan_id": "b-book"},
    "another stage": CURRENT | {"stage": "fix"},
    "a newer version": CURRENT | {"version": "3.0"},
    "a version that is a number": CURRENT | {"version": 2.0},
    "a version that is a list": CURRENT | {"version": []},
    "an unknown status": CURRENT | {"status": "resting"},
    "pages that are no numbers": CURRENT | {"completed_pages": ["one"]},
    "pages that are lists": CURRENT | {"completed_pages": [[1]]},
    "evidence that is none": CURRENT | {"pages": {"1": {"sha256": "abc"}}},
    "metadata that is a list": CURRENT | {"metadata": []},
    "a cost that is none": CURRENT | {"metadata": {"total_cost_usd": "1.5"}},
    "a cost that is not a number": CURRENT | {"metadata": {"total_cost_usd": float("nan")}},
}


def written(book: Book) -> bytes:
    """A checkpoint with some of everything, as this version writes it."""
    file = book.checkpoint_file()
    with file.exclusive() as checkpoint:
        checkpoint.total_pages = 40
        checkpoint.request(1, 40)
        checkpoint.begin()
        checkpoint.complete(7, PageRecord(sha256=A, schema_version="1", cost_usd=12.34))
        file.save(checkpoint)
    return book.checkpoint_path.read_bytes()


class TestReading:
    def test_where_there_is_no_file_nothing_is_complete_and_none_is_made(self, book: Book) -> None:
        assert book.checkpoint_file().read().completed_pages == []
        assert list(book.path.iterdir()) == []

    def test_a_new_file_says_whose_it_is(self, book: Book) -> None:
        checkpoint = book.checkpoint_file().read()
        assert (checkpoint.scan_id, checkpoint.stage, checkpoint.output_dir) == ("a-book", "ocr", "ocr")

    @pytest.mark.parametrize("kind", UNUSABLE)
    def test_a_file_that_cannot_be_used_is_an_error_in_one_line_and_stays(self, book: Book, kind: str) -> None:
        raw = book.write_checkpoint(UNUSABLE[kind])
        with pytest.raises(CheckpointError, match=re.escape(str(book.checkpoint_path))) as caught:
            book.checkpoint_file().read()
        assert "\n" not in str(caught.value)
        assert book.checkpoint_path.read_bytes() == raw

    def test_the_version_this_leafmark_reads_is_named(self, book: Book) -> None:
        book.write_checkpoint(CURRENT | {"version": "3.0"})
        with pytest.raises(CheckpointError, match=r"its version is '3.0', this Leafmark reads '2.0'"):
            book.checkpoint_file().read()

    def test_any_flipped_bit_is_read_or_refused(self, book: Book) -> None:
        raw = written(book)
        file = book.checkpoint_file()
        refused = 0
        for place in range(len(raw)):
            flipped = bytearray(raw)
            flipped[place] ^= 1 << place % 8
            book.checkpoint_path.write_bytes(flipped)
            try:
                file.read()
            except CheckpointError:
                refused += 1
        assert refused > len(raw) / 3


class TestOlderVersions:
    def test_pages_and_money_are_kept(self, book: Book) -> None:
        book.write_checkpoint(OLD)
        checkpoint = book.checkpoint_file().read()
        assert checkpoint.completed_pages == [1, 2]
        assert checkpoint.total_cost_usd == 1.5
        assert checkpoint.metadata["model"] == "m-1"
        assert (checkpoint.version, checkpoint.output_dir) == ("2.0", "ocr")

    def test_the_first_save_writes_the_current_version(self, book: Book) -> None:
        book.write_checkpoint(OLD)
        file = book.checkpoint_file()
        with file.exclusive() as checkpoint:
            file.save(checkpoint)
        assert book.on_disk()["version"] == "2.0"
        assert book.on_disk()["completed_pages"] == [1, 2]
        assert book.set_aside() == []

    @pytest.mark.parametrize("status", ["not_started", "in_progress", "completed", "failed"])
    def test_times_without_a_zone_as_the_seed_writes_them_are_read(self, book: Book, status: str) -> None:
        naive = "2024-05-06T07:08:09.123456"
        times = {"created_at": naive, "updated_at": naive, "completed_at": naive, "failed_at": naive}
        book.write_checkpoint(OLD | times | {"status": status})
        assert book.checkpoint_file().read().total_cost_usd == 1.5

    def test_without_metadata_it_has_cost_nothing(self, book: Book) -> None:
        book.write_checkpoint({key: value for key, value in OLD.items() if key != "metadata"})
        assert book.checkpoint_file().read().total_cost_usd == 0.0


class TestChanging:
    def test_a_saved_change_is_on_disk_as_the_next_revision(self, book: Book) -> None:
        file = book.checkpoint_file()
        for revision in (1, 2, 3):
            with file.exclusive() as checkpoint:
                checkpoint.complete(revision, PageRecord(sha256=A))
                file.save(checkpoint)
            assert book.on_disk()["revision"] == revision
        assert book.on_disk()["completed_pages"] == [1, 2, 3]

    def test_a_change_that_is_not_saved_is_forgotten(self, book: Book) -> None:
        written(book)
        file = book.checkpoint_file()
        for _ in range(2):
            with file.exclusive() as checkpoint:
                assert checkpoint.completed_pages == [7]
                checkpoint.complete(8, PageRecord(sha256=A))
        assert book.on_disk()["completed_pages"] == [7]

    def test_a_change_after_a_save_is_forgotten_too(self, book: Book) -> None:
        file = book.checkpoint_file()
        with file.exclusive() as checkpoint:
            file.save(checkpoint)
            checkpoint.complete(8, PageRecord(sha256=A))
        with file.exclusive() as checkpoint:
            assert checkpoint.completed_pages == []

    def test_an_error_inside_forgets_the_change(self, book: Book) -> None:
        written(book)
        file = book.checkpoint_file()
        with contextlib.suppress(KeyError), file.exclusive() as checkpoint:
            checkpoint.start_over()
            raise KeyError
        with file.exclusive() as checkpoint:
            assert checkpoint.completed_pages == [7]

    def test_what_another_has_saved_meanwhile_is_seen(self, book: Book) -> None:
        files = [book.checkpoint_file(), book.checkpoint_file()]
        for page in range(1, 7):
            file = files[page % 2]
            with file.exclusive() as checkpoint:
                checkpoint.complete(page, PageRecord(sha256=A))
                file.save(checkpoint)
        assert book.on_disk()["completed_pages"] == [1, 2, 3, 4, 5, 6]
        assert book.on_disk()["revision"] == 6

    def test_a_page_taken_off_by_hand_between_two_saves_stays_off(self, book: Book) -> None:
        file = book.checkpoint_file()
        for page in (1, 2):
            with file.exclusive() as checkpoint:
                checkpoint.complete(page, PageRecord(sha256=A))
                file.save(checkpoint)
        book.write_checkpoint(book.on_disk() | {"completed_pages": [2]})
        with file.exclusive() as checkpoint:
            checkpoint.complete(3, PageRecord(sha256=A))
            file.save(checkpoint)
        assert book.on_disk()["completed_pages"] == [2, 3]
        assert sorted(book.on_disk()["pages"]) == ["2", "3"]

    def test_a_file_deleted_between_two_saves_starts_anew(self, book: Book) -> None:
        written(book)
        file = book.checkpoint_file()
        with file.exclusive() as checkpoint:
            file.save(checkpoint)
        book.checkpoint_path.unlink()
        with file.exclusive() as checkpoint:
            assert checkpoint.completed_pages == []

    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
    @pytest.mark.parametrize("call", [1, 2, 3], ids=["write", "fsync", "replace"])
    def test_a_failing_save_raises_and_the_old_file_stays(
        self, book: Book, disk: Disk, call: int, error: int
    ) -> None:
        raw = written(book)
        file = book.checkpoint_file()
        with file.exclusive() as checkpoint:
            checkpoint.start_over()
            disk.break_at(call, error)
            with pytest.raises(OSError, match=os.strerror(error)):
                file.save(checkpoint)
        disk.mend()
        assert book.checkpoint_path.read_bytes() == raw
        assert book.temp_files() == []
        with file.exclusive() as checkpoint:
            assert checkpoint.completed_pages == [7]

    def test_a_waiter_is_refused_after_its_time_even_within_one_process(self, book: Book) -> None:
        file = book.checkpoint_file()
        held, enough = threading.Event(), threading.Event()

        def hold() -> None:
            with file.exclusive():
                held.set()
                enough.wait(2)

        holder = threading.Thread(target=hold)
        holder.start()
        assert held.wait(HANG_SECONDS)
        try:
            with pytest.raises(CheckpointError, match="has been held"), file.exclusive(timeout=0.05):
                pass
        finally:
            enough.set()
            holder.join()


LEDGER = {1: Money.from_micro(1_000_000), 2: Money.from_micro(120_000)}


def paid(book: Book, earlier_usd: float) -> bytes:
    """A checkpoint of a stage that has a ledger, and cost something before it had one."""
    book.checkpoint_path.unlink(missing_ok=True)
    file = book.checkpoint_file()
    with file.exclusive() as checkpoint:
        checkpoint.total_pages = 2
        checkpoint.request(1, 2)
        checkpoint.begin()
        checkpoint.add_cost(earlier_usd)
        checkpoint.note_ledger(LEDGER)
        file.save(checkpoint)
    return book.checkpoint_path.read_bytes()


class TestAFileThatCannotBeUsed:
    @pytest.mark.parametrize("kind", UNUSABLE)
    def test_is_kept_under_a_dated_name(self, book: Book, kind: str) -> None:
        raw = book.write_checkpoint(UNUSABLE[kind])
        file = book.checkpoint_file()
        with file.exclusive() as checkpoint:
            assert checkpoint.completed_pages == []
            assert (checkpoint.scan_id, checkpoint.stage) == ("a-book", "ocr")
        [kept] = book.set_aside()
        assert kept.read_bytes() == raw
        assert re.fullmatch(r"ocr\.json\.unusable-\d{8}T\d{6}.*", kept.name)
        assert file.take_set_aside() == kept

    def test_is_told_of_once(self, book: Book) -> None:
        book.write_checkpoint(b"nonsense")
        file = book.checkpoint_file()
        with file.exclusive():
            pass
        assert file.take_set_aside() is not None
        assert file.take_set_aside() is None

    def test_does_not_push_out_the_one_before_it(self, book: Book) -> None:
        file = book.checkpoint_file()
        for number in range(5):
            book.write_checkpoint(f"nonsense {number}".encode())
            with file.exclusive():
                pass
        assert sorted(path.read_text() for path in book.set_aside()) == [f"nonsense {n}" for n in range(5)]

    def test_yields_its_cost_length_and_request(self, book: Book) -> None:
        raw = written(book)
        book.write_checkpoint(raw[:-30])
        with book.checkpoint_file().exclusive() as checkpoint:
            assert checkpoint.total_cost_usd == 12.34
            assert checkpoint.total_pages == 40
            assert checkpoint.requested == [(1, 40)]
            assert checkpoint.status is Status.IN_PROGRESS

    def test_is_set_aside_wherever_it_was_cut_off(self, book: Book) -> None:
        raw = written(book)
        end_of_cost = raw.index(b"12.34") + 5
        for length in range(0, len(raw), 10):
            book.write_checkpoint(raw[:length])
            with book.checkpoint_file().exclusive() as checkpoint:
                assert checkpoint.completed_pages == []
                if length >= end_of_cost:
                    assert checkpoint.total_cost_usd == 12.34

    @pytest.mark.parametrize("earlier_usd", [0.0, 2.0])
    def test_counts_the_money_in_the_ledger_once_wherever_it_was_cut_off(
        self, book: Book, earlier_usd: float
    ) -> None:
        raw = paid(book, earlier_usd)
        for length in range(0, len(raw), 3):
            book.write_checkpoint(raw[:length])
            with book.checkpoint_file().exclusive() as checkpoint:
                checkpoint.note_ledger(LEDGER)
                assert 1.12 <= checkpoint.total_cost_usd <= 1.12 + earlier_usd

    @pytest.mark.parametrize("earlier_usd", [0.0, 2.0])
    def test_loses_no_money_that_this_process_knows_of(self, book: Book, earlier_usd: float) -> None:
        raw = paid(book, earlier_usd)
        for length in range(0, len(raw), 10):
            book.write_checkpoint(raw)
            file = book.checkpoint_file()
            assert file.read().total_cost_usd == 1.12 + earlier_usd
            book.write_checkpoint(raw[:length])
            with file.exclusive() as checkpoint:
                checkpoint.note_ledger(LEDGER)
                assert checkpoint.total_cost_usd == 1.12 + earlier_usd

    def test_with_no_ledger_yet_keeps_its_cost_beside_that_of_the_ledger(self, book: Book) -> None:
        raw = written(book)
        book.write_checkpoint(raw[:-1])
        with book.checkpoint_file().exclusive() as checkpoint:
            checkpoint.note_ledger(LEDGER)
            assert checkpoint.total_cost_usd == 12.34 + 1.12

    @pytest.mark.parametrize("kind", ["another book", "another stage", "a newer version", "an unknown status"])
    def test_its_cost_is_not_lost(self, book: Book, kind: str) -> None:
        book.write_checkpoint(UNUSABLE[kind])
        with book.checkpoint_file().exclusive() as checkpoint:
            assert checkpoint.total_cost_usd == 1.5

    def test_that_of_another_book_says_nothing_about_the_pages_of_this_one(self, book: Book) -> None:
        theirs = CURRENT | {"scan_id": "b-book", "total_pages": 900, "requested": [[1, 900]], "error": None}
        book.write_checkpoint(theirs)
        with book.checkpoint_file().exclusive() as checkpoint:
            assert checkpoint.total_pages == 0
            assert checkpoint.pending() == []

    def test_stays_in_place_when_the_storage_cannot_move_it(self, book: Book, disk: Disk) -> None:
        raw = book.write_checkpoint(b"nonsense")
        disk.break_at(1, errno.EROFS)
        with pytest.raises(OSError, match="Read-only"), book.checkpoint_file().exclusive():
            pass
        assert book.checkpoint_path.read_bytes() == raw


class TestCleaningUp:
    @pytest.mark.parametrize("name", ["ocr.json.tmp.0123456789abcdef", "ocr.json.tmp", "ocr.json.tmp123"])
    def test_half_written_checkpoints_go_also_those_of_older_versions(self, book: Book, name: str) -> None:
        raw = written(book)
        orphan = book.checkpoint_path.with_name(name)
        orphan.write_text("{")
        book.checkpoint_file().remove_orphans()
        assert not orphan.exists()
        assert book.checkpoint_path.read_bytes() == raw

    def test_those_of_other_stages_and_what_was_set_aside_stay(self, book: Book) -> None:
        written(book)
        others = ["fix.json.tmp.0123", "ocr.json.unusable-20260102T030405000000", "my-ocr.json.tmp.0123"]
        for name in others:
            book.checkpoint_path.with_name(name).touch()
        assert book.checkpoint_file().remove_orphans() == []
        assert all(book.checkpoint_path.with_name(name).exists() for name in others)


def test_the_file_is_plain_json_for_readers_of_any_language(book: Book) -> None:
    written(book)
    told = json.loads(book.checkpoint_path.read_text(encoding="utf-8"))
    assert told["completed_pages"] == [7]
    assert told["progress"]["remaining"] == 39
    assert told["metadata"]["total_cost_usd"] == 12.34
    assert told["status"] == "in_progress"
    assert Checkpoint.model_validate(told).pages[7].cost_usd == 12.34
