import contextlib
import errno
import inspect
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from checkpointing import CheckpointManager
from checkpointing.errors import LeafmarkError, PageOutputError, UnknownNameError
from checkpointing.file import CheckpointFile
from tests.unit.conftest import Book, Disk, leaf, process, says

MARKING = """
    import sys
    from checkpointing import CheckpointManager

    manager = CheckpointManager("a-book", "ocr", storage_root=sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    for page in range(int(sys.argv[2]), 101, 2):
        manager.mark_completed(page, cost_usd=0.01)
    print("done", flush=True)
"""


class TestTheInterfaceOfTheSeed:
    @pytest.mark.parametrize(
        ("method", "parameters"),
        [
            ("__init__", ["scan_id", "stage", "storage_root", "output_dir", "schema"]),
            ("get_status", []),
            ("validate_page_output", ["page"]),
            ("scan_existing_outputs", ["total_pages"]),
            ("get_remaining_pages", ["total_pages", "resume", "start_page", "end_page"]),
            ("mark_completed", ["page", "cost_usd"]),
            ("mark_stage_complete", ["metadata"]),
            ("mark_stage_failed", ["error"]),
            ("reset", []),
            ("estimate_cost_saved", []),
            ("flush", []),
        ],
    )
    def test_is_there_name_for_name(self, method: str, parameters: list[str]) -> None:
        found = [
            name for name in inspect.signature(getattr(CheckpointManager, method)).parameters if name != "self"
        ]
        assert found[: len(parameters)] == parameters

    def test_books_are_looked_for_in_the_documents_of_the_user(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        manager = CheckpointManager("a-book", "ocr")
        manager.flush()
        assert (tmp_path / "Documents" / "book_scans" / "a-book" / "checkpoints" / "ocr.json").is_file()

    def test_outputs_are_looked_for_in_a_folder_of_the_stages_name(self, book: Book) -> None:
        manager = CheckpointManager("a-book", "fix", storage_root=str(book.root))
        assert manager.outputs.path == book.path / "fix"


class TestStatus:
    def test_of_a_stage_that_never_ran(self, book: Book) -> None:
        status = book.manager().get_status()
        assert status["status"] == "not_started"
        assert status["completed_pages"] == []
        assert status["metadata"]["total_cost_usd"] == 0.0

    def test_has_the_form_of_the_file(self, book: Book) -> None:
        book.write(1)
        manager = book.manager()
        manager.get_remaining_pages(total_pages=2)
        manager.mark_completed(1, cost_usd=0.02)
        assert json.loads(json.dumps(manager.get_status())) == book.on_disk()

    def test_is_that_of_the_disk_and_not_of_memory(self, book: Book) -> None:
        manager, other = book.manager(), book.manager()
        book.write(1)
        other.mark_completed(1)
        assert manager.get_status()["completed_pages"] == [1]

    def test_times_carry_their_zone(self, book: Book) -> None:
        book.write(1)
        manager = book.manager()
        manager.get_remaining_pages(total_pages=2)
        manager.mark_completed(1)
        manager.mark_stage_complete()
        told = book.on_disk()
        times = [told[name] for name in ("created_at", "started_at", "updated_at", "completed_at")]
        times.append(told["pages"]["1"]["completed_at"])
        assert all(datetime.fromisoformat(time).utcoffset() is not None for time in times)


class TestOutputs:
    def test_are_valid_or_not(self, book: Book) -> None:
        book.write(1)
        book.outputs.path_of(2).write_text("{")
        manager = book.manager()
        assert [manager.validate_page_output(page) for page in (1, 2, 3)] == [True, False, False]
        assert manager.scan_existing_outputs(total_pages=3) == {1}

    def test_beyond_the_book_are_not_its_pages(self, book: Book) -> None:
        book.write(1, 2, 3)
        assert book.manager().scan_existing_outputs(total_pages=2) == {1, 2}

    def test_that_were_only_looked_at_mark_nothing(self, book: Book) -> None:
        book.write(1)
        manager = book.manager()
        manager.scan_existing_outputs(total_pages=3)
        assert manager.get_status()["completed_pages"] == []


class TestRemainingPages:
    def test_are_those_without_a_valid_output(self, book: Book) -> None:
        book.write(2, 4)
        assert book.manager().get_remaining_pages(total_pages=5) == [1, 3, 5]
        assert book.on_disk()["completed_pages"] == [2, 4]
        assert book.on_disk()["status"] == "in_progress"
        assert book.on_disk()["progress"] == {"completed": 2, "remaining": 3, "failed": 0, "percent": 40.0}

    @pytest.mark.parametrize(
        ("start", "end", "remaining"), [(1, None, [1, 3, 5]), (2, 3, [3]), (2, 2, []), (4, None, [5]), (5, 5, [5])]
    )
    def test_are_those_of_the_range(self, book: Book, start: int, end: int | None, remaining: list[int]) -> None:
        book.write(2, 4)
        manager = book.manager()
        assert manager.get_remaining_pages(5, resume=True, start_page=start, end_page=end) == remaining
        assert book.on_disk()["completed_pages"] == [2, 4]

    @pytest.mark.parametrize(
        ("total", "start", "end"), [(5, 0, 3), (5, 4, 3), (5, 1, 6), (5, 6, None), (0, 1, None)]
    )
    def test_outside_the_book_are_refused_and_nothing_changes(
        self, book: Book, total: int, start: int, end: int | None
    ) -> None:
        manager = book.manager()
        before = book.snapshot()
        with pytest.raises(UnknownNameError, match="is outside the book"):
            manager.get_remaining_pages(total, start_page=start, end_page=end)
        assert book.snapshot() == before

    def test_without_resume_are_all_of_them_and_the_cost_stays(self, book: Book) -> None:
        book.write(1, 2)
        manager = book.manager()
        manager.mark_completed(1, cost_usd=0.5)
        assert manager.get_remaining_pages(total_pages=3, resume=False) == [1, 2, 3]
        assert book.on_disk()["completed_pages"] == []
        assert book.on_disk()["metadata"]["total_cost_usd"] == 0.5

    def test_after_a_harmed_output_include_its_page(self, book: Book) -> None:
        book.write(1, 2, 3)
        manager = book.manager()
        assert manager.get_remaining_pages(total_pages=3) == []
        book.outputs.path_of(1).unlink()
        book.write(2, text="edited")
        assert manager.get_remaining_pages(total_pages=3) == [1, 2]

    def test_after_a_completion_by_hand_was_taken_back_are_told_by_the_file(self, book: Book) -> None:
        book.write(1, 2)
        manager = book.manager()
        manager.get_remaining_pages(total_pages=2)
        book.write_checkpoint(book.on_disk() | {"completed_pages": [2]})
        assert manager.get_status()["completed_pages"] == [2]
        manager.flush()
        assert book.on_disk()["completed_pages"] == [2]


class TestMarkingAPage:
    def test_is_on_disk_when_the_call_returns(self, book: Book, synced: list[int]) -> None:
        book.write(1, 2)
        manager = book.manager()
        for page in (1, 2):
            synced.clear()
            manager.mark_completed(page, cost_usd=0.02)
            assert synced == [book.checkpoint_path.stat().st_ino, book.checkpoint_path.parent.stat().st_ino]
            assert page in book.on_disk()["completed_pages"]

    def test_again_changes_nothing_and_costs_nothing(self, book: Book) -> None:
        book.write(1)
        manager = book.manager()
        manager.mark_completed(1, cost_usd=0.02)
        before = book.snapshot()
        manager.mark_completed(1, cost_usd=0.02)
        book.manager().mark_completed(1, cost_usd=0.02)
        assert book.snapshot() == before

    def test_done_anew_adds_its_cost(self, book: Book) -> None:
        manager = book.manager()
        for text in ("first", "second"):
            book.write(1, text=text)
            manager.mark_completed(1, cost_usd=0.02)
        assert book.on_disk()["metadata"]["total_cost_usd"] == 0.04

    def test_adds_its_cost_also_if_a_resume_found_the_output_first(self, book: Book) -> None:
        manager = book.manager()
        book.write(1)
        assert book.manager().get_remaining_pages(total_pages=1) == []
        manager.mark_completed(1, cost_usd=0.02)
        assert book.on_disk()["metadata"]["total_cost_usd"] == 0.02

    def test_at_a_dime_ten_times_is_a_dollar(self, book: Book) -> None:
        book.write(*range(1, 11))
        manager = book.manager()
        for page in range(1, 11):
            manager.mark_completed(page, cost_usd=0.1)
        assert book.on_disk()["metadata"]["total_cost_usd"] == 1.0
        assert manager.estimate_cost_saved() == 1.0

    @pytest.mark.parametrize("content", [None, "", "{", "{}", leaf(2), leaf(1)[:-1]])
    def test_without_a_valid_output_is_refused_and_marks_nothing(self, book: Book, content: str | None) -> None:
        book.write(2)
        if content is not None:
            book.outputs.path_of(1).write_text(content)
        manager = book.manager()
        manager.mark_completed(2)
        before = book.snapshot()
        with pytest.raises(PageOutputError, match="page 1 of a-book/ocr cannot be marked complete") as caught:
            manager.mark_completed(1, cost_usd=0.02)
        assert "\n" not in str(caught.value)
        assert book.snapshot() == before

    def test_whose_output_vanishes_just_then_is_refused(self, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
        book.write(1)
        manager = book.manager()
        exclusive = CheckpointFile.exclusive

        def late(file: CheckpointFile, timeout: float = 60) -> Any:
            book.outputs.path_of(1).unlink()
            return exclusive(file, timeout)

        monkeypatch.setattr(CheckpointFile, "exclusive", late)
        with pytest.raises(PageOutputError):
            manager.mark_completed(1)
        assert manager.get_status()["completed_pages"] == []

    @pytest.mark.parametrize("cost", [-0.01, float("nan"), float("inf"), 1e30], ids=repr)
    def test_at_a_cost_that_is_no_amount_is_refused_and_the_file_stays_good(self, book: Book, cost: float) -> None:
        book.write(1, 2)
        manager = book.manager()
        manager.mark_completed(1, cost_usd=0.5)
        with pytest.raises((ValueError, LeafmarkError)):
            manager.mark_completed(2, cost_usd=cost)
        assert manager.get_status()["completed_pages"] == [1]
        assert manager.get_status()["metadata"]["total_cost_usd"] == 0.5

    @pytest.mark.parametrize("page", [0, -1])
    def test_that_no_book_has_is_refused_and_the_file_stays_good(self, book: Book, page: int) -> None:
        book.write(1)
        book.outputs.path_of(page).write_text('{"text": "words"}')
        manager = book.manager(schema=None)
        manager.mark_completed(1)
        with pytest.raises((ValueError, LeafmarkError)):
            manager.mark_completed(page)
        assert manager.get_status()["completed_pages"] == [1]


class TestAFailingDisk:
    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
    @pytest.mark.parametrize("call", [1, 2, 3], ids=["write", "fsync", "replace"])
    def test_raises_and_the_old_file_stays(self, book: Book, disk: Disk, call: int, error: int) -> None:
        book.write(1, 2)
        manager = book.manager()
        manager.mark_completed(1, cost_usd=0.5)
        before = book.checkpoint_path.read_bytes()
        disk.break_at(call, error)
        with pytest.raises(OSError, match=os.strerror(error)):
            manager.mark_completed(2, cost_usd=0.02)
        assert book.checkpoint_path.read_bytes() == before
        assert book.temp_files() == []
        assert manager.get_status()["completed_pages"] == [1]

    @pytest.mark.parametrize("call", [1, 2, 3, 4], ids=["write", "fsync", "replace", "fsync of the folder"])
    def test_that_works_again_takes_the_same_call_and_counts_the_cost_once(
        self, book: Book, disk: Disk, call: int
    ) -> None:
        book.write(1)
        manager = book.manager()
        disk.break_at(call, errno.EIO)
        with pytest.raises(OSError, match="Input/output"):
            manager.mark_completed(1, cost_usd=0.02)
        disk.mend()
        manager.mark_completed(1, cost_usd=0.02)
        assert book.on_disk()["completed_pages"] == [1]
        assert book.on_disk()["metadata"]["total_cost_usd"] == 0.02

    @pytest.mark.parametrize("call", range(1, 12))
    def test_during_a_rebuild_loses_no_money(self, book: Book, disk: Disk, call: int) -> None:
        book.manager().flush()
        book.write(1, 2)
        header = b'{"version":"2.0","scan_id":"a-book","stage":"ocr","total_pages":3,'
        book.write_checkpoint(header + b'"metadata":{"total_cost_usd":8.5},"pages":{"1"')
        disk.break_at(call, errno.EIO)
        with contextlib.suppress(OSError):
            book.manager()
        disk.mend()
        book.manager().flush()
        assert book.on_disk()["metadata"]["total_cost_usd"] == 8.5
        assert book.on_disk()["completed_pages"] == [1, 2]
        assert book.on_disk()["total_pages"] == 3

    @pytest.mark.parametrize("call", range(1, 12))
    def test_during_a_rebuild_loses_no_completion_that_is_said_again(
        self, book: Book, disk: Disk, call: int
    ) -> None:
        manager = book.manager()
        book.write_checkpoint(b"nonsense")
        book.write(1)
        disk.break_at(call, errno.EIO)
        try:
            manager.mark_completed(1, cost_usd=0.02)
        except OSError:
            disk.mend()
            manager.mark_completed(1, cost_usd=0.02)
        assert book.on_disk()["completed_pages"] == [1]
        assert book.on_disk()["metadata"]["total_cost_usd"] == 0.02

    @pytest.mark.parametrize("method", ["flush", "reset", "mark_stage_complete", "mark_stage_failed"])
    def test_is_never_kept_quiet(self, book: Book, disk: Disk, method: str) -> None:
        arguments = {"mark_stage_failed": ["it broke"]}.get(method, [])
        book.write(1)
        manager = book.manager()
        manager.mark_completed(1, cost_usd=0.5)
        before = book.checkpoint_path.read_bytes()
        disk.break_at(1, errno.ENOSPC)
        with pytest.raises(OSError, match="No space"):
            getattr(manager, method)(*arguments)
        assert book.checkpoint_path.read_bytes() == before

    def test_that_cannot_be_read_loses_nothing_either(self, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
        book.write(1)
        book.manager().mark_completed(1)
        before = book.checkpoint_path.read_bytes()

        def fail(*_: object) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as patch:
            patch.setattr("checkpointing.file.read_regular", fail)
            with pytest.raises(OSError, match="Input/output"):
                book.manager()
        assert book.checkpoint_path.read_bytes() == before
        assert book.set_aside() == []


class TestManyAtOnce:
    def test_threads_lose_no_page_and_no_cent(self, book: Book) -> None:
        pages = range(1, 201)
        book.write(*pages)
        manager = book.manager()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda page: manager.mark_completed(page, cost_usd=0.01), pages))
        assert book.on_disk()["completed_pages"] == list(pages)
        assert book.on_disk()["metadata"]["total_cost_usd"] == 2.0
        assert book.temp_files() == []

    def test_threads_that_mark_the_same_page_pay_once(self, book: Book) -> None:
        book.write(1)
        managers = [book.manager() for _ in range(4)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: managers[number % 4].mark_completed(1, cost_usd=0.01), range(40)))
        assert book.on_disk()["metadata"]["total_cost_usd"] == 0.01

    def test_processes_lose_no_page_and_no_cent(self, book: Book) -> None:
        book.write(*range(1, 101))
        with ExitStack() as stack:
            both = [stack.enter_context(process(MARKING, book.root, first)) for first in (1, 2)]
            assert [says(each) for each in both] == ["ready", "ready"]
            for each in both:
                print(file=each.stdin, flush=True)
            assert [says(each) for each in both] == ["done", "done"]
        assert book.on_disk()["completed_pages"] == list(range(1, 101))
        assert book.on_disk()["metadata"]["total_cost_usd"] == 1.0
        assert book.on_disk()["revision"] == 100

    def test_a_process_that_is_killed_has_lost_nothing_it_marked(self, book: Book) -> None:
        book.write(*range(1, 101))
        script = MARKING.replace("cost_usd=0.01)", "cost_usd=0.01); print(page, flush=True)")
        with process(script, book.root, 1) as marking:
            assert says(marking) == "ready"
            print(file=marking.stdin, flush=True)
            told = [int(says(marking)) for _ in range(5)]
            marking.kill()
        completed = book.manager().get_status()["completed_pages"]
        assert set(told) <= set(completed)
        assert book.temp_files() == []


class TestEndingAStage:
    def marked(self, book: Book) -> CheckpointManager:
        book.write(1, 2)
        manager = book.manager()
        manager.get_remaining_pages(total_pages=2)
        return manager

    def test_well_keeps_its_metadata(self, book: Book) -> None:
        manager = self.marked(book)
        manager.mark_stage_complete(metadata={"model": "m-1", "pages_processed": 2, "total_cost_usd": 9.7})
        told = book.on_disk()
        assert told["status"] == "completed"
        assert told["metadata"] == {"model": "m-1", "pages_processed": 2, "total_cost_usd": 9.7}
        assert told["completed_pages"] == [1, 2]

    def test_well_needs_no_metadata(self, book: Book) -> None:
        self.marked(book).mark_stage_complete()
        assert book.on_disk()["status"] == "completed"

    @pytest.mark.parametrize(("given", "total"), [(0.0, 8.5), (8.49, 8.5), (8.5, 8.5), (9.7, 9.7)])
    def test_never_shrinks_the_total(self, book: Book, given: float, total: float) -> None:
        book.write(1)
        manager = book.manager()
        manager.mark_completed(1, cost_usd=8.5)
        manager.mark_stage_complete({"total_cost_usd": given})
        assert manager.get_status()["metadata"]["total_cost_usd"] == total

    @pytest.mark.parametrize("given", [float("inf"), float("nan"), -1, None, "much"], ids=repr)
    def test_with_a_total_that_is_no_amount_is_refused_and_the_file_stays_good(
        self, book: Book, given: Any
    ) -> None:
        manager = self.marked(book)
        with pytest.raises((ValueError, TypeError, LeafmarkError)):
            manager.mark_stage_complete({"total_cost_usd": given})
        assert manager.get_status()["completed_pages"] == [1, 2]

    def test_with_a_total_of_many_floats_has_no_noise_of_floats(self, book: Book) -> None:
        self.marked(book).mark_stage_complete({"total_cost_usd": 0.1 + 0.2})
        assert book.on_disk()["metadata"]["total_cost_usd"] == 0.3

    def test_with_metadata_that_json_cannot_hold_leaves_the_old_file(self, book: Book) -> None:
        manager = self.marked(book)
        before = book.checkpoint_path.read_bytes()
        with pytest.raises((ValueError, TypeError)):
            manager.mark_stage_complete({"model": object()})
        assert book.checkpoint_path.read_bytes() == before
        assert book.temp_files() == []

    def test_adds_up_over_several_runs(self, book: Book) -> None:
        totals = []
        for page, cost in ((1, 8.5), (2, 1.2), (3, 0.5)):
            manager = book.manager()
            stats = {"total_cost_usd": manager.get_status()["metadata"]["total_cost_usd"]}
            book.write(page)
            manager.mark_completed(page, cost_usd=cost)
            stats["total_cost_usd"] += cost
            manager.mark_stage_complete(stats)
            totals.append(book.on_disk()["metadata"]["total_cost_usd"])
        assert totals == [8.5, 9.7, 10.2]

    @pytest.mark.parametrize("error", ["LLM timed out", "Zeile 1\nZeile 2", "\x00", ""], ids=repr)
    def test_badly_keeps_the_pages_and_the_reason(self, book: Book, error: str) -> None:
        manager = self.marked(book)
        manager.mark_stage_failed(error=error)
        told = book.on_disk()
        assert told["status"] == "failed"
        assert told["completed_pages"] == [1, 2]
        assert told["error"] == error
        assert datetime.fromisoformat(told["failed_at"]).utcoffset() is not None

    def test_badly_is_recorded_also_when_the_reason_names_a_file_that_is_no_text(self, book: Book) -> None:
        manager = self.marked(book)
        manager.mark_stage_failed(error="cannot open " + os.fsdecode(b"page_\xe9.png"))
        assert book.on_disk()["status"] == "failed"
        assert book.on_disk()["error"].startswith("cannot open page_")

    def test_badly_can_be_resumed(self, book: Book) -> None:
        book.write(1)
        manager = book.manager()
        manager.get_remaining_pages(total_pages=2)
        manager.mark_stage_failed("LLM timed out")
        assert book.manager().get_remaining_pages(total_pages=2) == [2]
        assert (book.on_disk()["status"], book.on_disk()["error"]) == ("in_progress", None)


class TestResetting:
    def test_forgets_the_pages_and_keeps_cost_and_outputs(self, book: Book) -> None:
        book.write(1, 2)
        manager = book.manager()
        manager.mark_completed(1, cost_usd=0.5)
        manager.reset()
        assert book.on_disk()["completed_pages"] == []
        assert book.on_disk()["status"] == "not_started"
        assert book.on_disk()["metadata"]["total_cost_usd"] == 0.5
        assert book.outputs.pages() == {1, 2}

    def test_lets_a_page_cost_again(self, book: Book) -> None:
        book.write(1)
        manager = book.manager()
        for _ in range(2):
            manager.mark_completed(1, cost_usd=0.5)
            manager.reset()
        assert book.on_disk()["metadata"]["total_cost_usd"] == 1.0


def test_what_was_saved_is_what_the_completed_pages_cost(book: Book) -> None:
    book.write(1, 2)
    manager = book.manager()
    assert manager.estimate_cost_saved() == 0.0
    manager.mark_completed(1, cost_usd=0.5)
    manager.mark_completed(2, cost_usd=0.25)
    assert manager.estimate_cost_saved() == 0.75


def test_flushing_writes_a_file_where_there_is_none(book: Book) -> None:
    manager = book.manager()
    assert not book.checkpoint_path.exists()
    manager.flush()
    assert book.on_disk()["status"] == "not_started"


def test_making_one_cleans_up_after_a_crash(book: Book) -> None:
    book.manager().flush()
    orphan = book.checkpoint_path.with_name("ocr.json.tmp.0123")
    orphan.touch()
    book.manager()
    assert not orphan.exists()


class TestAnUnusableCheckpoint:
    @pytest.mark.parametrize("damage", ["truncated", "foreign scan", "other stage", "newer version"])
    def test_is_set_aside_and_rebuilt_from_the_outputs_with_its_cost(self, book: Book, damage: str) -> None:
        book.write(1, 2)
        manager = book.manager()
        manager.get_remaining_pages(total_pages=3)
        manager.mark_stage_complete({"total_cost_usd": 8.5})
        foreign: dict[str, dict[str, str]] = {
            "foreign scan": {"scan_id": "b-book"},
            "other stage": {"stage": "fix"},
            "newer version": {"version": "9.0"},
        }
        raw = book.checkpoint_path.read_bytes()[:-9]
        raw = book.write_checkpoint(raw if damage == "truncated" else book.on_disk() | foreign[damage])
        status = book.manager().get_status()
        assert status["completed_pages"] == [1, 2]
        assert status["metadata"]["total_cost_usd"] == 8.5
        assert status["scan_id"] == "a-book"
        assert [path.read_bytes() for path in book.set_aside()] == [raw]

    @pytest.mark.parametrize(
        ("call", "completed"),
        [
            (lambda manager: manager.mark_completed(2), [1, 2, 3]),
            (lambda manager: manager.mark_stage_complete(), [1, 3]),
            (lambda manager: manager.mark_stage_failed("no"), [1, 3]),
            (lambda manager: manager.flush(), [1, 3]),
            (lambda manager: manager.get_remaining_pages(total_pages=3), [1, 3]),
            (lambda manager: manager.reset(), []),
        ],
        ids=["mark_completed", "mark_stage_complete", "mark_stage_failed", "flush", "get_remaining_pages", "reset"],
    )
    def test_met_at_any_call_is_rebuilt_there(self, book: Book, call: Any, completed: list[int]) -> None:
        book.write(1, 3)
        manager = book.manager()
        manager.get_remaining_pages(total_pages=3)
        book.write_checkpoint(b'{"metadata": {"total_cost_usd": 8.5},')
        if completed == [1, 2, 3]:
            book.write(2)
        call(manager)
        assert book.on_disk()["completed_pages"] == completed
        assert book.on_disk()["metadata"]["total_cost_usd"] == 8.5
        assert len(book.set_aside()) == 1

    def test_that_was_rebuilt_by_a_resume_is_not_rebuilt_once_more(self, book: Book) -> None:
        book.write(1)
        manager = book.manager()
        book.write_checkpoint(b"nonsense")
        manager.get_remaining_pages(total_pages=3)
        book.write(1, text="done anew")
        manager.mark_completed(1)
        assert manager.validate_page_output(1)
        assert book.on_disk()["completed_pages"] == [1]


class TestACheckpointOfAnOlderVersion:
    def test_is_taken_over_with_its_cost(self, book: Book) -> None:
        book.write(1, 2)
        old = {"version": "1.0", "scan_id": "a-book", "stage": "ocr", "status": "in_progress", "total_pages": 3}
        progress = {"completed": 2, "remaining": 1, "percent": 66.7}
        metadata = {"total_cost_usd": 1.5}
        book.write_checkpoint(old | {"completed_pages": [1, 2], "progress": progress, "metadata": metadata})
        manager = book.manager()
        assert manager.get_status()["metadata"]["total_cost_usd"] == 1.5
        assert manager.get_status()["completed_pages"] == [1, 2]
        assert manager.get_remaining_pages(total_pages=3) == [3]
        assert manager.estimate_cost_saved() == 1.5
        assert book.on_disk()["metadata"]["total_cost_usd"] == 1.5
        assert book.set_aside() == []
