"""A folder that Scanshelf left is a scan where it stands: what it did counts, what it spent is kept."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from checkpointing.errors import InputError
from checkpointing.outputs import Problem
from checkpointing.refs import StageRef
from checkpointing.status import Status
from producer.ingest.ingest_source import ingest
from producer.ingest.scanshelf_folder import take_in
from producer.planning.enqueue import enqueue, plan
from producer.planning.request import Request
from producer.status.scan_status import all_scans, scan_status
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
from worker.pages.scan import ForeignScanError, ScanFolder
from worker.pages.sources.open import open_source
from worker.pipeline.assembly import assemble

BOOK = "accidental-president"
PAGES = 4


@pytest.fixture(scope="module")
def pdf(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("pdf") / "a.pdf"
    return write_pdf(path, [small_page(page) for page in range(1, PAGES + 1)]).read_bytes()


@pytest.fixture
def folder(tmp_path: Path, pdf: bytes) -> Path:
    """A book whose first three pages were read, of which the third is torn; corrections of two are paid for."""
    book = tmp_path / "scans" / BOOK
    write_json(book / "metadata.json", METADATA)
    (book / "source").mkdir()
    (book / "source" / "combined.pdf").write_bytes(pdf)
    for page in (1, 2):
        write_page(book, "ocr", read_page(page))
        write_page(book, "corrected", corrected_page(page))
    (book / "ocr" / "page_0003.json").write_text('{"page_number": 3, "regi')
    write_json(book / "checkpoints" / "ocr.json", checkpoint(BOOK, "ocr", [1, 2, 3], PAGES))
    spent = {"model": "openai/gpt-4o-mini", "total_cost_usd": 9.7}
    write_json(
        book / "checkpoints" / "correction.json", checkpoint(BOOK, "correction", [1, 2], PAGES, metadata=spent)
    )
    return book


@pytest.fixture
def parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    return make_parts(folder.parent, monkeypatch)


def without(files: Files, *names: str) -> Files:
    return {path: found for path, found in files.items() if Path(path).name not in names}


def test_status_takes_it_in_and_changes_nothing_that_was_there(parts: Deployment, folder: Path) -> None:
    before = files_under(folder)
    status = scan_status(parts.store, BOOK)
    assert (status.metadata.title, status.metadata.total_pages) == ("The Accidental President", PAGES)
    assert status.stages["correction"].total_cost_usd == pytest.approx(9.7)
    assert status.stages["ocr"].total_cost_usd == pytest.approx(0.066)
    assert status.stages["correction"].completed == 2
    assert without(files_under(folder), "leafmark.json") == before
    assert json.loads((folder / "metadata.json").read_bytes()) == METADATA

    record = (folder / "leafmark.json").stat()
    assert scan_status(parts.store, BOOK).metadata == status.metadata
    assert [each.metadata for each in all_scans(parts.store)] == [status.metadata]
    assert (folder / "leafmark.json").stat() == record
    # A worker, which takes nothing in, reads the record.
    assert ScanFolder(parts.store.root, BOOK).read_metadata() == status.metadata


def test_only_a_producer_takes_it_in(folder: Path) -> None:
    with pytest.raises(ForeignScanError, match="`producer status accidental-president` takes it in"):
        ScanFolder(folder.parent, BOOK).read_metadata()
    assert not (folder / "leafmark.json").exists()


def test_only_what_is_missing_or_broken_is_enqueued_and_the_cost_is_kept(parts: Deployment, folder: Path) -> None:
    outputs = {path: path.read_bytes() for path in folder.glob("*/page_*.json")}
    made = enqueue(parts, Request(BOOK, "ocr"))
    assert made.remaining == [3, 4]
    assert {page: verdict.problem for page, verdict in made.requeued.items()} == {3: Problem.UNREADABLE}
    assert made.total_cost_usd == pytest.approx(0.066)

    made = enqueue(parts, Request(BOOK, "correction"))
    assert (made.remaining, made.requeued, made.waiting) == ([3, 4], {}, [3, 4])
    assert made.total_cost_usd == pytest.approx(9.7)
    kept = parts.store.checkpoint_file(StageRef(BOOK, "correction")).read()
    assert (list(kept.pages), kept.total_cost_usd, kept.status) == ([1, 2], 9.7, Status.IN_PROGRESS)
    assert kept.metadata["model"] == "openai/gpt-4o-mini"
    assert {path: path.read_bytes() for path in outputs} == outputs


def test_a_corrected_page_that_does_not_count_is_kept(parts: Deployment, folder: Path) -> None:
    failed = corrected_page(2)
    failed["llm_processing"]["error_catalog"]["error_message"] = "429 Too Many Requests"
    written = write_page(folder, "corrected", failed).read_bytes()
    enqueue(parts, Request(BOOK, "ocr"))
    made = enqueue(parts, Request(BOOK, "correction"))
    assert made.requeued[2].detail.endswith("Scanshelf failed to correct the page")
    assert (folder / "corrected" / "set_aside" / "page_0002.json").read_bytes() == written


def test_pages_complete_without_a_checkpoint_are_adopted(parts: Deployment, folder: Path) -> None:
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    assert plan(parts.store, Request(BOOK, "ocr")).remaining == [3, 4]


def test_verify_finds_the_source_in_order_and_names_the_broken_page(parts: Deployment) -> None:
    enqueue(parts, Request(BOOK, "ocr"))
    report = verify(parts.store, BOOK, "ocr")
    assert report.source == []
    assert report.stale == []


def test_the_same_book_ingested_again_is_that_scan(parts: Deployment, folder: Path, pdf: bytes) -> None:
    again = folder.parent.parent / f"{BOOK}.pdf"
    again.write_bytes(pdf)
    assert not ingest(again, parts.store.root).created
    again.write_bytes(write_pdf(again, [small_page(9)]).read_bytes())
    with pytest.raises(InputError, match="choose another id"):
        ingest(again, parts.store.root)


def test_several_pdfs_are_one_book(folder: Path) -> None:
    source = folder / "source"
    (source / "combined.pdf").unlink()
    for part, pages in ((2, [3, 4]), (10, [5]), (1, [1, 2])):
        write_pdf(source / f"book-{part}.pdf", [small_page(page) for page in pages])
    scan = ScanFolder(folder.parent, BOOK)
    metadata = take_in(scan)
    assert [(file.name, file.pages) for file in metadata.source.files] == [
        ("book-1.pdf", 2),
        ("book-2.pdf", 2),
        ("book-10.pdf", 1),
    ]
    with closing(open_source(scan, metadata, dpi=72)) as pages:
        assert pages.total_pages == 5
        whole = [pages.page(number).image.tobytes() for number in range(1, 6)]
    assert len(set(whole)) == 5
    (source / "book-2.pdf").write_bytes((source / "book-10.pdf").read_bytes())
    with closing(open_source(scan, metadata, dpi=72)) as pages:
        assert pages.page(1).image.tobytes() == whole[0]
        with pytest.raises(InputError, match=r"book-2\.pdf has 1 page, but had 2"):
            pages.page(3)


def write_images(folder: Path, *pages: int) -> None:
    for page in pages:
        Image.new("L", (100 + page, 140), 235).save(folder / "source" / f"page_{page:04d}.png")


def test_images_that_were_made_of_the_pdf_are_its_pages(parts: Deployment, folder: Path, pdf: bytes) -> None:
    write_images(folder, 1, 2, 3, 4)
    metadata = parts.store.metadata(BOOK)
    assert (metadata.source.kind, metadata.total_pages) == ("images", 4)
    again = folder.parent.parent / f"{BOOK}.pdf"
    again.write_bytes(pdf)
    assert not ingest(again, parts.store.root).created


def test_images_that_are_not_all_there_give_way_to_the_pdf(folder: Path) -> None:
    write_images(folder, 1, 3, 4)
    scan = ScanFolder(folder.parent, BOOK)
    assert take_in(scan).source.kind == "pdf"
    (folder / "source" / "combined.pdf").unlink()
    with pytest.raises(InputError, match=r"has no page_0002\.png, and no PDF; put one of them there"):
        take_in(scan)


def test_a_folder_without_a_source_says_what_to_do(parts: Deployment, folder: Path) -> None:
    (folder / "source" / "combined.pdf").unlink()
    with pytest.raises(InputError, match="put the book's PDF there"):
        parts.store.metadata(BOOK)


def test_a_folder_without_metadata_is_a_scan_if_it_has_checkpoints(parts: Deployment, folder: Path) -> None:
    (folder / "metadata.json").unlink()
    assert [each.metadata.title for each in all_scans(parts.store)] == [BOOK]
    assert json.loads((folder / "metadata.json").read_bytes())["scan_id"] == BOOK
    assert not (folder / "leafmark.json").exists()


def test_storage_that_cannot_be_written_can_be_looked_at(
    parts: Deployment, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("producer.ingest.scanshelf_folder.write_durably", refuse)
    assert scan_status(parts.store, BOOK).metadata.total_pages == PAGES
    assert not (folder / "leafmark.json").exists()


def test_what_scanshelf_made_of_the_whole_book_is_kept(parts: Deployment, folder: Path) -> None:
    theirs = write_json(folder / "structured" / "metadata.json", {"book": {"title": "The Accidental President"}})
    before = theirs.read_bytes()
    stage, outputs = parts.store.stages.get("structure"), parts.store.outputs(StageRef(BOOK, "structure"))
    empty = parts.store.checkpoint_file(StageRef(BOOK, "structure")).read()
    for _ in range(2):
        assemble(stage, outputs, empty)
        assert json.loads(theirs.read_bytes())["chapters"] == []
        assert theirs.with_name("metadata.json.before-leafmark").read_bytes() == before


def test_the_checkpoint_of_scanshelf_is_kept_beside_ours(parts: Deployment, folder: Path) -> None:
    before = (folder / "checkpoints" / "ocr.json").read_bytes()
    for _ in range(2):
        enqueue(parts, Request(BOOK, "ocr"))
        assert (folder / "checkpoints" / "ocr.json.version-1.0").read_bytes() == before
    assert json.loads((folder / "checkpoints" / "ocr.json").read_bytes())["version"] == "2.0"


def test_what_a_torn_checkpoint_of_scanshelf_cost_is_kept(parts: Deployment, folder: Path) -> None:
    path = folder / "checkpoints" / "ocr.json"
    path.write_bytes(path.read_bytes().partition(b'"metadata"')[0])
    assert enqueue(parts, Request(BOOK, "ocr")).total_cost_usd == pytest.approx(0.066)


def test_the_folder_itself_is_ingested_already_or_in_the_wrong_place(parts: Deployment, folder: Path) -> None:
    done = ingest(folder, parts.store.root)
    assert (done.created, done.metadata.scan_id) == (False, BOOK)
    with pytest.raises(InputError, match=r"move it into .*, or set LEAFMARK_STORAGE_ROOT to"):
        ingest(folder, folder.parent.parent / "elsewhere")
