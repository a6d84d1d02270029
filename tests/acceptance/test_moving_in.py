"""A folder of Scanshelf's, by the real command line: it is picked up as it is, and only what is missing is done."""

import json
from pathlib import Path

import pytest

from sample import small_page, write_pdf
from tests.support.deployment import Deployment
from tests.support.fake_deployment import files_under
from tests.support.scanshelf import METADATA, checkpoint, read_page, write_json, write_page

BOOK = "accidental-president"
PAGES = 3


@pytest.fixture
def folder(deployment: Deployment) -> Path:
    book = deployment.root / BOOK
    write_json(book / "metadata.json", METADATA)
    (book / "source").mkdir()
    write_pdf(book / "source" / "combined.pdf", [small_page(page) for page in range(1, PAGES + 1)])
    for page in (1, 2):
        write_page(book, "ocr", read_page(page))
    spent = {"total_cost_usd": 8.5}
    write_json(book / "checkpoints" / "ocr.json", checkpoint(BOOK, "ocr", [1, 2], PAGES, metadata=spent))
    return book


def test_a_folder_of_scanshelfs_is_picked_up_and_finished(deployment: Deployment, folder: Path) -> None:
    before = {name: files_under(folder / name) for name in ("ocr", "source")}
    metadata = (folder / "metadata.json").read_bytes()
    assert BOOK in deployment.producer("status").stdout
    assert "$8.50" in deployment.producer("status", BOOK).stdout
    dry = deployment.producer("enqueue", BOOK, "--dry-run", "--json")
    assert json.loads(dry.stdout)["remaining"] == 1

    done = deployment.producer("run", BOOK, "--workers", "1")
    assert f"{BOOK}/ocr: {PAGES} of {PAGES} pages complete" in done.stdout
    assert deployment.pages_done_in_logs(BOOK) == [3]
    kept = deployment.checkpoint(BOOK)
    assert (kept["status"], kept["completed_pages"]) == ("completed", [1, 2, 3])
    assert kept["metadata"]["total_cost_usd"] == pytest.approx(8.5)
    after = {name: files_under(folder / name) for name in before}
    assert {name: before[name].items() <= after[name].items() for name in before} == {"ocr": True, "source": True}
    assert (folder / "metadata.json").read_bytes() == metadata
    assert f"{BOOK}/ocr: {PAGES} pages checked, no differences" in deployment.producer("verify", BOOK).stdout
    # As a path it is that scan as well.
    assert "nothing to do" in deployment.producer("run", folder).stdout
