import os
from typing import Any, NoReturn

import pytest

from checkpointing.checkpoint import Checkpoint
from checkpointing.output_schema import OutputSchema
from checkpointing.outputs import OutputFolder, Problem
from checkpointing.page_records import FailedPage, PageRecord
from checkpointing.resume import Findings, bring_in_line
from tests.unit.conftest import Book, leaf

TOTAL = 9


def blank() -> Checkpoint:
    return Checkpoint(scan_id="a-book", stage="ocr", output_dir="ocr")


@pytest.fixture
def checkpoint(book: Book) -> Checkpoint:
    """Pages 1 to 4 are complete, at two cents each, and their outputs are there."""
    book.write(1, 2, 3, 4)
    made = blank()
    for page in (1, 2, 3, 4):
        record = PageRecord(
            sha256=book.outputs.check(page).sha256,
            schema_version="1",
            cost_usd=0.02,
            seconds=1.5,
            attempts=2,
            worker="w",
        )
        made.complete(page, record)
    return made


def resume(checkpoint: Checkpoint, book: Book, **options: Any) -> Findings:
    return bring_in_line(checkpoint, book.outputs, TOTAL, **options)


def problems(findings: Findings) -> dict[int, Problem | None]:
    return {page: verdict.problem for page, verdict in findings.faults.items()}


def test_where_nothing_changed_nothing_changes(checkpoint: Checkpoint, book: Book) -> None:
    before = checkpoint.model_dump_json()
    checkpoint.total_pages = TOTAL
    findings = resume(checkpoint, book)
    assert (findings.valid, findings.adopted, findings.faults) == ({1, 2, 3, 4}, set(), {})
    assert Checkpoint.model_validate_json(before).pages == checkpoint.pages


def test_times_are_not_looked_at(checkpoint: Checkpoint, book: Book) -> None:
    """A copy to another disk gives every file a new time; and an edit can keep the old one."""
    edited = book.outputs.path_of(2)
    stat = edited.stat()
    edited.write_text(leaf(2, "sword"))
    os.utime(edited, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for page in (1, 3, 4):
        os.utime(book.outputs.path_of(page), ns=(1, 1))
    findings = resume(checkpoint, book)
    assert edited.name not in {path.name for path in book.outputs.path.iterdir()}
    assert (findings.valid, problems(findings)) == ({1, 3, 4}, {2: Problem.CHANGED})


def test_pages_as_they_were_are_neither_parsed_nor_written_down_anew(checkpoint: Checkpoint, book: Book) -> None:
    def never(_: bytes) -> NoReturn:
        pytest.fail("parsed again")

    before = dict(checkpoint.pages)
    bring_in_line(checkpoint, OutputFolder(book.outputs.path, OutputSchema(never)), TOTAL)
    assert all(checkpoint.pages[page] is record for page, record in before.items())


def test_a_page_that_was_never_done_is_no_fault(book: Book) -> None:
    assert resume(blank(), book) == Findings(TOTAL)


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        ("delete", Problem.MISSING),
        ("truncate", Problem.UNREADABLE),
        ("swap", Problem.INVALID),
        ("edit", Problem.CHANGED),
    ],
)
def test_a_harmed_output_is_a_fault_and_its_page_no_longer_complete(
    checkpoint: Checkpoint, book: Book, harm: str, problem: Problem
) -> None:
    path = book.outputs.path_of(2)
    harms = {"truncate": leaf(2)[:9], "swap": leaf(3), "edit": leaf(2, "edited")}
    if harm == "delete":
        path.unlink()
    else:
        path.write_text(harms[harm])
    findings = resume(checkpoint, book)
    assert problems(findings) == {2: problem}
    assert findings.complete == {1, 3, 4}
    assert checkpoint.completed_pages == [1, 3, 4]


def test_two_outputs_that_were_swapped_are_both_done_again(checkpoint: Checkpoint, book: Book) -> None:
    first, second = book.outputs.path_of(1), book.outputs.path_of(2)
    first.write_text(leaf(2))
    second.write_text(leaf(1))
    assert problems(resume(checkpoint, book)) == {1: Problem.INVALID, 2: Problem.INVALID}


def test_a_changed_output_is_set_aside_so_that_its_page_is_done_again(checkpoint: Checkpoint, book: Book) -> None:
    book.write(2, text="edited")
    resume(checkpoint, book)
    assert not book.outputs.path_of(2).exists()
    assert (book.outputs.path / "set_aside" / "page_0002.json").read_text() == leaf(2, "edited")
    assert resume(checkpoint, book).complete == {1, 3, 4}


def test_outputs_the_checkpoint_did_not_name_are_adopted_at_no_known_cost(
    checkpoint: Checkpoint, book: Book
) -> None:
    book.write(5, 7)
    findings = resume(checkpoint, book)
    assert findings.adopted == {5, 7}
    assert checkpoint.completed_pages == [1, 2, 3, 4, 5, 7]
    assert checkpoint.pages[5].cost_usd is None
    assert checkpoint.pages[5].sha256 == book.outputs.check(5).sha256
    assert checkpoint.pages[5].completed_at is not None


def test_an_invalid_output_the_checkpoint_did_not_name_is_not_adopted(book: Book) -> None:
    book.write(1)
    book.outputs.path_of(2).write_text(leaf(2)[:9])
    checkpoint = blank()
    assert problems(resume(checkpoint, book)) == {2: Problem.UNREADABLE}
    assert checkpoint.completed_pages == [1]


def test_evidence_outlives_a_resume(checkpoint: Checkpoint, book: Book) -> None:
    before = dict(checkpoint.pages)
    resume(checkpoint, book)
    assert checkpoint.pages == before


def test_the_total_cost_outlives_a_lost_output(checkpoint: Checkpoint, book: Book) -> None:
    for page in (1, 2, 3, 4):
        book.outputs.path_of(page).unlink()
    resume(checkpoint, book)
    assert checkpoint.completed_pages == []
    assert checkpoint.total_cost_usd == 0.08


def test_a_page_of_an_older_checkpoint_gets_its_evidence(book: Book) -> None:
    book.write(1, 2)
    old = {"completed_pages": [1, 2, 3], "metadata": {"total_cost_usd": 1.5}}
    checkpoint = Checkpoint.model_validate(blank().model_dump() | old)
    findings = resume(checkpoint, book)
    assert findings.valid == {1, 2}
    assert problems(findings) == {3: Problem.MISSING}
    assert checkpoint.pages[1].sha256 == book.outputs.check(1).sha256
    assert checkpoint.total_cost_usd == 1.5


def test_outputs_of_an_older_schema_version_are_confirmed_under_the_new(checkpoint: Checkpoint, book: Book) -> None:
    findings = bring_in_line(checkpoint, book.outputs_of_version("2"), TOTAL)
    assert findings.valid == {1, 2, 3, 4}
    record = checkpoint.pages[1]
    assert (record.schema_version, record.cost_usd, record.seconds, record.attempts) == ("2", 0.02, 1.5, 2)


def test_a_quarantined_page_with_a_valid_output_is_complete(book: Book) -> None:
    checkpoint = blank()
    for page in (1, 2):
        checkpoint.fail(FailedPage(page=page, kind="crashed", message="its worker died"))
    book.write(1)
    resume(checkpoint, book)
    assert checkpoint.completed_pages == [1]
    assert checkpoint.quarantined() == {2}


def test_files_beyond_the_last_page_are_no_pages_of_the_book(checkpoint: Checkpoint, book: Book) -> None:
    book.write(TOTAL, TOTAL + 1)
    assert resume(checkpoint, book).adopted == {TOTAL}
    assert checkpoint.completed_pages == [1, 2, 3, 4, TOTAL]
    assert checkpoint.total_pages == TOTAL


class TestLookingOnly:
    @pytest.fixture
    def harmed(self, checkpoint: Checkpoint, book: Book) -> Checkpoint:
        """A book with one of each: an edited, a missing, a broken and a new output, and one in quarantine."""
        book.write(1, text="edited")
        book.outputs.path_of(2).unlink()
        book.outputs.path_of(3).write_text("{")
        book.write(5)
        checkpoint.fail(FailedPage(page=5, kind="crashed", message="its worker died"))
        return checkpoint

    def test_finds_the_same(self, harmed: Checkpoint, book: Book) -> None:
        looked = resume(harmed, book, change_nothing=True)
        assert looked.valid == {4}
        assert looked.adopted == {5}
        assert problems(looked) == {1: Problem.CHANGED, 2: Problem.MISSING, 3: Problem.UNREADABLE}
        done = resume(harmed, book)
        assert (done.valid, done.adopted, done.faults) == (looked.valid, looked.adopted, looked.faults)

    def test_changes_nothing_at_all(self, harmed: Checkpoint, book: Book) -> None:
        files, words = book.snapshot(), harmed.model_dump_json()
        resume(harmed, book, change_nothing=True)
        assert book.snapshot() == files
        assert harmed.model_dump_json() == words
