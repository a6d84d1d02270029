"""Every Python block of the seed runs, word for word, against the real library, and does what it says there.

The blocks of a user of the manager run against a real one. Those that show the inside of the seed's own manager
(`self._state`, `self._save_checkpoint`) run against `InsideOut`, which gives ours these names.
"""

import json
import logging
import os
import re
import sys
import textwrap
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import checkpointing
from checkpointing import Checkpoint, CheckpointManager
from tests.unit.conftest import Book, Leaf

SEED = (Path(__file__).parents[2] / "docs" / "seed" / "checkpointing-patterns.md").read_text(encoding="utf-8")
BLOCKS = [textwrap.dedent(block) for block in re.findall(r"^```python\n(.*?)^```$", SEED, re.DOTALL | re.MULTILINE)]
TOTAL = 5


def run(number: int, **names: Any) -> dict[str, Any]:
    """Execute a block, counted from 1, where these names are known.

    Returns:
        All names that are known afterwards.
    """
    code = BLOCKS[number - 1]
    if code.startswith("elif"):
        code = f"if False:\n    pass\n{code}"
    exec(compile(code, f"block {number} of the seed", "exec"), names)  # noqa: S102  # the point of these tests
    return names


class InsideOut(CheckpointManager):
    """A manager whose inside has the names that the seed's has; `_state` is the dict of the file."""

    def __init__(self, book: Book) -> None:
        super().__init__(book.scan_id, book.stage, storage_root=book.root, schema=Leaf)
        self._state = self.get_status()

    def _save_checkpoint(self) -> None:
        with self.file.exclusive():
            self.file.save(Checkpoint.model_validate(self._state))

    def _cleanup_temp_files(self) -> None:
        self.file.remove_orphans()


@pytest.fixture
def stage(book: Book) -> SimpleNamespace:
    """The `self` of the seed's stages: pages 1 and 3 are saved, page 1 is marked and cost 8.50."""
    book.write(1, 3)
    checkpoint = book.manager()
    checkpoint.mark_completed(1, cost_usd=8.5)
    return SimpleNamespace(
        checkpoint=checkpoint, storage_root=book.root, model="m-1", stats={"total_cost_usd": 8.5}
    )


def test_every_block_of_the_document_has_its_test_here() -> None:
    numbers = {int(name[len("test_block_") :][:2]) for name in globals() if name.startswith("test_block_")}
    assert SEED.count("```python") == len(BLOCKS) == 16
    assert numbers == set(range(1, len(BLOCKS) + 1))


def test_block_01_makes_a_manager(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "checkpoint", checkpointing)
    stage = SimpleNamespace(storage_root=book.root)
    run(1, self=stage, enable_checkpoints=True, scan_id="a-book")
    stage.checkpoint.flush()
    assert (
        json.loads((book.path / "checkpoints" / "stage_name.json").read_bytes())["output_dir"] == "output_directory"
    )


def test_block_02_starts_with_the_cost_of_earlier_runs(stage: SimpleNamespace) -> None:
    stage.stats = {}
    run(2, self=stage)
    assert stage.stats == {"total_cost_usd": 8.5}


def test_block_02_starts_with_nothing_where_there_were_none(book: Book) -> None:
    stage = SimpleNamespace(checkpoint=book.manager())
    run(2, self=stage)
    assert stage.stats == {"total_cost_usd": 0.0}


def test_block_03_finds_the_valid_outputs(stage: SimpleNamespace) -> None:
    assert run(3, checkpoint=stage.checkpoint, total_pages=TOTAL)["valid_pages"] == {1, 3}


@pytest.mark.parametrize(("start", "end", "pages"), [(1, None, [2, 4, 5]), (1, 5, [2, 4, 5]), (3, 4, [4])])
def test_block_04_leaves_the_pages_that_need_work(
    stage: SimpleNamespace, book: Book, start: int, end: int | None, pages: list[int]
) -> None:
    known = run(4, self=stage, resume=True, total_pages=TOTAL, start_page=start, end_page=end)
    assert known["page_numbers"] == pages
    assert book.on_disk()["completed_pages"] == [1, 3]


def test_block_05_brings_the_state_in_line_with_the_outputs(stage: SimpleNamespace, book: Book) -> None:
    manager = InsideOut(book)
    assert manager._state["completed_pages"] == [1]
    run(5, self=manager, total_pages=TOTAL)
    manager._save_checkpoint()
    assert book.on_disk()["completed_pages"] == [1, 3]
    assert book.on_disk()["pages"]["1"]["cost_usd"] == 8.5
    assert stage.checkpoint.get_status()["completed_pages"] == [1, 3]


def test_block_06_tells_the_user_what_is_skipped(
    stage: SimpleNamespace, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.checkpoint.mark_completed(3, cost_usd=1.2)
    with caplog.at_level(logging.INFO):
        run(6, self=stage, start_page=1, end_page=TOTAL, page_numbers=[2, 4, 5], logger=logging.getLogger("seed"))
    assert caplog.messages == ["Resuming: 2 pages completed, ~$9.70 saved"]
    assert "Resuming: 2 pages completed" in capsys.readouterr().out


def test_block_07_starts_over_and_keeps_the_cost(stage: SimpleNamespace, book: Book) -> None:
    assert run(7, self=stage, start_page=2, end_page=4)["page_numbers"] == [2, 3, 4]
    assert book.on_disk()["completed_pages"] == []
    assert book.on_disk()["metadata"]["total_cost_usd"] == 8.5


def test_block_08_saves_a_page_and_marks_it(stage: SimpleNamespace, book: Book) -> None:
    stage._save_page_output = lambda page, text: book.write(page, text=text)
    run(8, self=stage, page_num=2, result="words")
    assert book.on_disk()["completed_pages"] == [1, 2]


def test_block_08_marks_nothing_when_the_save_fails(stage: SimpleNamespace, book: Book) -> None:
    def fail(_page: int, _text: str) -> None:
        raise OSError("no space left")

    stage._save_page_output = fail
    with pytest.raises(OSError, match="no space left"):
        run(8, self=stage, page_num=2, result="words")
    assert book.on_disk()["completed_pages"] == [1]


def test_block_09_saves_on_every_completion(stage: SimpleNamespace, book: Book) -> None:
    manager = InsideOut(book)
    manager._state["completed_pages"].append(3)
    revision = book.on_disk()["revision"]
    run(9, self=manager)
    assert book.on_disk()["completed_pages"] == [1, 3]
    assert book.on_disk()["revision"] == revision + 1
    assert stage.checkpoint.get_status()["completed_pages"] == [1, 3]


def test_block_10_completes_the_stage_at_its_accumulated_cost(stage: SimpleNamespace, book: Book) -> None:
    stage.stats["total_cost_usd"] += 1.2
    run(10, self=stage, pages_processed=2)
    assert book.on_disk()["status"] == "completed"
    assert book.on_disk()["metadata"] == {"model": "m-1", "pages_processed": 2, "total_cost_usd": 9.7}
    assert book.on_disk()["completed_pages"] == [1]


def test_block_11_saves_the_pages_and_then_the_status(stage: SimpleNamespace, book: Book) -> None:
    manager = InsideOut(book)
    manager._state["completed_pages"].append(3)
    run(11, self=manager)
    assert book.on_disk()["status"] == "completed"
    assert book.on_disk()["completed_pages"] == [1, 3]
    assert stage.checkpoint.get_status()["status"] == "completed"


def test_block_12_marks_a_failed_stage_and_raises_again(stage: SimpleNamespace, book: Book) -> None:
    def process(pages: list[int]) -> None:
        book.write(*pages)
        stage.checkpoint.mark_completed(2)
        raise TimeoutError("LLM timed out")

    stage._process_all_pages = process
    with pytest.raises(TimeoutError, match="LLM timed out"):
        run(12, self=stage, page_numbers=[2, 4])
    assert book.on_disk()["status"] == "failed"
    assert book.on_disk()["error"] == "LLM timed out"
    assert book.on_disk()["completed_pages"] == [1, 2]


def test_block_13_records_the_error_and_its_time(stage: SimpleNamespace, book: Book) -> None:
    manager = InsideOut(book)
    run(13, self=manager, error="LLM timed out", datetime=datetime)
    manager._save_checkpoint()
    told = book.on_disk()
    assert (told["status"], told["error"]) == ("failed", "LLM timed out")
    assert datetime.fromisoformat(told["failed_at"]).utcoffset() is not None
    assert stage.checkpoint.get_status()["completed_pages"] == [1]


def test_block_14_raises_again_after_marking(stage: SimpleNamespace, book: Book) -> None:
    def fail(error: Exception) -> None:
        try:
            raise error
        except TimeoutError as e:
            run(14, self=stage, e=e)

    with pytest.raises(TimeoutError, match="LLM timed out"):
        fail(TimeoutError("LLM timed out"))
    assert book.on_disk()["error"] == "LLM timed out"


def test_block_15_writes_a_file_that_the_library_reads(stage: SimpleNamespace, book: Book) -> None:
    state = stage.checkpoint.get_status() | {"completed_pages": [1, 3]}
    temp_file = book.checkpoint_path.with_name("ocr.json.tmp")
    run(15, temp_file=temp_file, checkpoint_file=book.checkpoint_path, state=state, json=json, os=os)
    assert not temp_file.exists()
    assert stage.checkpoint.get_status()["completed_pages"] == [1, 3]
    assert book.manager().get_remaining_pages(total_pages=3) == [2]


@pytest.mark.parametrize("name", ["ocr.json.tmp", "ocr.json.tmp.0123456789abcdef"])
def test_block_16_removes_what_a_crash_left(stage: SimpleNamespace, book: Book, name: str) -> None:
    manager = InsideOut(book)
    orphan = book.checkpoint_path.with_name(name)
    orphan.write_text('{"status"')
    run(16, self=manager)
    assert not orphan.exists()
    assert stage.checkpoint.get_status()["completed_pages"] == [1]
