"""A book that Scanshelf left, as the commands show it: nothing that it paid for is overlooked or called damaged."""

import json
from pathlib import Path
from typing import Any

import pytest

from checkpointing.refs import StageRef
from producer.planning.enqueue import enqueue, plan
from producer.planning.request import Request
from producer.report.collect import collect
from producer.report.model import State
from producer.report.render import render
from producer.status.scan_status import scan_status
from producer.verify.findings import Kind
from producer.verify.verify_scan import verify
from sample import small_page, write_pdf
from tests.support.fake_deployment import Files, files_under
from tests.support.scanshelf import (
    METADATA,
    checkpoint,
    corrected_page,
    make_parts,
    read_page,
    write_json,
    write_page,
)
from worker.deployment import Deployment

BOOK = "accidental-president"
PAGES = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pages 1 to 3 are read, 1 and 2 corrected; there is what Scanshelf made of the whole book, in its own form."""
    book = tmp_path / "scans" / BOOK
    write_json(book / "metadata.json", METADATA)
    (book / "source").mkdir()
    write_pdf(book / "source" / "combined.pdf", [small_page(page) for page in range(1, PAGES + 1)])
    for page in (1, 2, 3):
        write_page(book, "ocr", read_page(page))
    for page in (1, 2):
        write_page(book, "corrected", corrected_page(page))
    (book / "ocr" / "page_0001_img_003.png").write_bytes(b"a picture")
    write_json(book / "structured" / "metadata.json", {"chapters": []})
    write_json(book / "structured" / "chapters" / "chapter_01.json", {"title": "I"})
    write_json(book / "checkpoints" / "ocr.json", checkpoint(BOOK, "ocr", [1, 2, 3], PAGES))
    write_json(book / "checkpoints" / "correction.json", checkpoint(BOOK, "correction", [1, 2], PAGES))
    return book


@pytest.fixture
def parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    return make_parts(folder.parent, monkeypatch, structure_model="a-model")


def without_record(files: Files) -> Files:
    return {name: found for name, found in files.items() if found[1] and "leafmark.json" not in name}


def doubled(page: int) -> dict[str, Any]:
    """A corrected page with words that the correction doubled."""
    data = corrected_page(page)
    data["regions"][1]["text"] = (
        "He could not[CORRECTED:1] not go; he had had enough. It was was[CORRECTED:2] late."
    )
    return data


def test_the_report_shows_its_pages_as_complete_and_with_their_text(parts: Deployment) -> None:
    report = collect(parts.store, BOOK, images=False)

    assert report.problems == ()
    states = {page.number: page.states for page in report.pages}
    assert states[1] == {"ocr": State.COMPLETE, "correction": State.COMPLETE}
    assert states[3]["ocr"] is State.COMPLETE
    html = render(report)
    assert "tbe presideut" in html
    assert "Damaged output" not in html


def test_the_report_counts_what_enqueue_counts(parts: Deployment, folder: Path) -> None:
    write_json(folder / "checkpoints" / "ocr.json", checkpoint(BOOK, "ocr", [], PAGES))
    write_page(folder, "corrected", doubled(2))

    report = collect(parts.store, BOOK, images=False)

    assert [(stage.name, stage.completed, stage.doubtful) for stage in report.stages] == [
        ("ocr", 3, 0),
        ("correction", 2, 1),
    ]
    assert "correction: 1 page with doubled words: 2" in render(report)


def test_verify_has_nothing_against_the_files_that_scanshelf_keeps_beside(parts: Deployment) -> None:
    enqueue(parts, Request(BOOK, "ocr"))
    enqueue(parts, Request(BOOK, "correction"))

    report = verify(parts.store, BOOK)

    assert [each.stage for each in report.stages] == ["ocr", "correction"]
    assert report.findings == []


def test_verify_has_nothing_against_a_book_that_nothing_was_enqueued_of_yet(
    parts: Deployment, folder: Path
) -> None:
    (folder / "checkpoints" / "correction.json").unlink()
    write_json(folder / "checkpoints" / "ocr.json", checkpoint(BOOK, "ocr", [1], PAGES))

    assert verify(parts.store, BOOK).findings == []


def test_verify_still_names_a_torn_page_of_such_a_book(parts: Deployment, folder: Path) -> None:
    (folder / "ocr" / "page_0003.json").write_text("{ torn")

    assert [(each.kind, each.page) for each in verify(parts.store, BOOK).findings] == [(Kind.UNREADABLE, 3)]


def test_verify_has_nothing_against_pages_of_its_structure_in_a_form_that_does_not_count(
    parts: Deployment, folder: Path
) -> None:
    write_json(folder / "structured" / "page_0001.json", {"page": 1, "role": "body"})
    write_json(
        folder / "checkpoints" / "structure.json",
        checkpoint(BOOK, "correction", [1, 2, 3, 4], PAGES) | {"stage": "structure", "status": "completed"},
    )

    assert [each for each in verify(parts.store, BOOK).findings if each.stage == "structure"] == []
    assert scan_status(parts.store, BOOK).stages["structure"].completed == 0


def test_in_a_book_of_leafmarks_own_a_foreign_file_is_still_a_difference(parts: Deployment, folder: Path) -> None:
    enqueue(parts, Request(BOOK, "ocr"))
    enqueue(parts, Request(BOOK, "correction"))
    record = json.loads((folder / "leafmark.json").read_bytes()) | {"taken_over": False}
    (folder / "leafmark.json").unlink()
    (folder / "metadata.json").write_text(json.dumps(record))
    for kept in (folder / "checkpoints").glob("*.version-1.0"):
        kept.unlink()

    kinds = {each.kind for each in verify(parts.store, BOOK).findings}

    assert kinds == {Kind.FOREIGN}


def test_corrected_pages_that_were_put_aside_for_a_person_count_and_are_not_paid_for_again(
    parts: Deployment, folder: Path
) -> None:
    written = write_page(folder, "needs_review", corrected_page(3, confidence=0.4))

    parts.store.metadata(BOOK)
    made = enqueue(parts, Request(BOOK, "correction", end_page=3))

    assert (made.remaining, made.completed) == ([], 3)
    page = parts.store.outputs(StageRef(BOOK, "correction")).load(3)
    assert (page["needs_review"], page["reasons"]) == (True, ["a correction was missed"])
    assert written.exists()


def test_pages_for_review_are_found_in_a_book_that_was_taken_over_before(parts: Deployment, folder: Path) -> None:
    enqueue(parts, Request(BOOK, "correction", end_page=2))
    write_page(folder, "needs_review", corrected_page(3, confidence=0.4))

    assert enqueue(parts, Request(BOOK, "correction", end_page=3)).remaining == []


def test_pages_for_review_that_do_not_count_or_have_a_better_output_are_left_where_they_are(
    parts: Deployment, folder: Path
) -> None:
    failed = corrected_page(3)
    failed["llm_processing"]["error_catalog"]["error_message"] = "429"
    write_page(folder, "needs_review", failed)
    write_page(folder, "needs_review", corrected_page(2, confidence=0.1))
    write_page(folder, "needs_review", corrected_page(9))
    (folder / "needs_review" / "page_0004.json").write_text("{ torn")
    before = (folder / "corrected" / "page_0002.json").read_bytes()

    made = enqueue(parts, Request(BOOK, "correction", end_page=3))

    assert made.remaining == [3]
    assert (folder / "corrected" / "page_0002.json").read_bytes() == before
    assert not (folder / "corrected" / "page_0009.json").exists()


def test_a_page_that_was_set_aside_does_not_come_back_from_the_pages_for_review(
    parts: Deployment, folder: Path
) -> None:
    write_page(folder, "needs_review", corrected_page(3, confidence=0.4))
    enqueue(parts, Request(BOOK, "correction", end_page=3))

    made = enqueue(parts, Request(BOOK, "correction", start_page=3, end_page=3, resume=False))
    again = enqueue(parts, Request(BOOK, "correction", start_page=3, end_page=3))

    assert (made.remaining, again.remaining) == ([3], [3])


@pytest.mark.parametrize("stage", ["ocr", "correction"])
def test_status_counts_what_enqueue_counts(parts: Deployment, folder: Path, stage: str) -> None:
    for named in ([], None):
        path = folder / "checkpoints" / f"{stage}.json"
        path.unlink()
        if named is not None:
            write_json(path, checkpoint(BOOK, stage, named, PAGES))
        before = files_under(folder)
        status = scan_status(parts.store, BOOK).stages[stage]

        assert status.pages_per_second is None
        assert status.completed == plan(parts.store, Request(BOOK, stage)).completed > 0
        assert without_record(files_under(folder)) == without_record(before)
        write_json(path, {})


def test_words_that_a_correction_doubled_mark_the_page_for_a_review_and_as_doubtful(
    parts: Deployment, folder: Path
) -> None:
    write_page(folder, "corrected", doubled(2))

    made = enqueue(parts, Request(BOOK, "correction", end_page=2))

    assert (made.remaining, [each.page for each in made.doubtful]) == ([], [2])
    [reason] = made.doubtful[0].reasons
    assert (reason.kind, reason.message) == ("doubled_words", "doubled words: 'not not', 'was was'")
    page = parts.store.outputs(StageRef(BOOK, "correction")).load(2)
    assert page["reasons"] == ["doubled words in r2: 'not not', 'was was'"]
    assert [region["id"] for region in page["regions"] if region["needs_review"]] == ["r2"]
    status = scan_status(parts.store, BOOK).stages["correction"]
    assert (status.doubtful, status.completed) == (1, 2)


def test_words_that_a_book_may_repeat_do_not_mark_a_page(parts: Deployment, folder: Path) -> None:
    data = corrected_page(2)
    data["regions"][1]["text"] = "He had had enough, and that that[CORRECTED:1] was all."
    write_page(folder, "corrected", data)

    assert enqueue(parts, Request(BOOK, "correction", end_page=2)).doubtful == []
