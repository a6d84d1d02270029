import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chaos.book_pages import write_book
from chaos.books import STAGES, Book
from chaos.history import Log
from chaos.llm_mode import LlmMode
from sample.provider.known_text import find_passage
from worker.pages.scan import ScanFolder
from worker.stages.ocr import OcrPage

FIRST, PAGES = 4, 2


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path / "events.jsonl")
    yield made
    made.close()


def book(tmp_path: Path, log: Log, *, tight: bool) -> Book:
    return Book(tmp_path, "book", FIRST, PAGES, Decimal(1), tight=tight, log=log)


def write_checkpoints(made: Book, statuses: dict[str, str], complete: dict[str, list[int]]) -> None:
    folder = made.folder / "checkpoints"
    folder.mkdir(parents=True)
    for stage in STAGES:
        checkpoint: dict[str, Any] = {
            "revision": 1,
            "status": statuses[stage],
            "completed_pages": complete[stage],
            "failed_pages": [],
            "metadata": {"total_cost_usd": 0.25},
            "pages": {},
        }
        (folder / f"{stage}.json").write_text(json.dumps(checkpoint))
    for reader, _ in made.looks:
        reader.look()


def test_a_book_is_written_as_the_ocr_stage_leaves_it_in_words_that_the_provider_knows(tmp_path: Path) -> None:
    write_book(tmp_path, "book", FIRST, FIRST + PAGES - 1, seed=1)
    paths = sorted((tmp_path / "book" / "ocr").iterdir())
    pages = [OcrPage.model_validate_json(path.read_bytes()) for path in paths]
    assert [page.page_number for page in pages] == [4, 5]
    assert ScanFolder(tmp_path, "book").metadata_path.exists()
    for page in pages:
        words = page.regions[0].text.split()
        assert len(set(words) & set(find_passage(words))) > len(words) // 2


def test_a_book_whose_budget_is_too_small_is_done_once_nothing_more_can_come_of_it(
    tmp_path: Path, log: Log
) -> None:
    made = book(tmp_path, log, tight=True)
    statuses = {"correction": "paused", "fix": "in_progress", "structure": "in_progress"}
    write_checkpoints(made, statuses, {"correction": [4], "fix": [4], "structure": [4]})
    assert made.is_done
    assert made.totals_usd() == dict.fromkeys(STAGES, Decimal("0.25"))


def test_a_book_of_which_a_page_can_go_on_is_not_done(tmp_path: Path, log: Log) -> None:
    made = book(tmp_path, log, tight=True)
    statuses = {"correction": "paused", "fix": "in_progress", "structure": "in_progress"}
    write_checkpoints(made, statuses, {"correction": [4], "fix": [], "structure": []})
    assert not made.is_done


def test_a_book_with_an_ample_budget_must_not_pause(tmp_path: Path, log: Log) -> None:
    made = book(tmp_path, log, tight=False)
    write_checkpoints(made, dict.fromkeys(STAGES, "paused"), {stage: [] for stage in STAGES})
    assert not made.is_done
    found = made.faults_at_rest()
    assert found[0] == "book/correction page 4 is lost: neither complete nor quarantined"
    assert len(found) == 2 * len(STAGES)


def test_a_book_with_too_small_a_budget_must_pause(tmp_path: Path, log: Log) -> None:
    made = book(tmp_path, log, tight=True)
    write_checkpoints(made, dict.fromkeys(STAGES, "in_progress"), {stage: [] for stage in STAGES})
    assert "book is not paused, although its budget is too small" in made.faults_at_rest()


def test_no_bit_is_flipped_where_no_schema_need_notice(tmp_path: Path) -> None:
    plan = LlmMode(tmp_path, 1).plan(300)
    assert len(plan) > 200
    assert not [fault for fault in plan if fault.variant == "flip"]
