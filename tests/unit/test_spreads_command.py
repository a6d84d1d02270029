"""`producer spreads`: shows and changes which pictures are two pages, and finishes what was interrupted."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from checkpointing.errors import InputError
from producer.cli import app
from producer.ingest.spread_search import FoundSpreads
from tests.support.read_book import json_of
from tests.support.report_book import SCAN, ReportBook, make_book, page_picture
from worker.pages.geometry.gutter import Gutter
from worker.pages.metadata import Spread
from worker.pages.renumbering import JOURNAL, Journal


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReportBook:
    """Three pictures whose pages are read and corrected; the second one is found to be a spread."""
    gutter = Gutter(top=(0.5, 0), bottom=(0.5, 1))
    found = FoundSpreads((Spread(image=2, gutter=gutter),), {3: "something reaches across its fold"})
    monkeypatch.setattr("producer.planning.spread_change.find_spreads", lambda *_: found)
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(tmp_path / "scans"))
    monkeypatch.setenv("LEAFMARK_REDIS_URL", "redis://127.0.0.1:1/0")
    book = make_book(tmp_path / "scans", [page_picture(number) for number in range(1, 4)])
    book.complete("ocr", book.read())
    book.complete("correction", book.corrected(), cost_micro=dict.fromkeys(book.pages, 500_000))
    return book


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["spreads", SCAN, *arguments])


def test_a_dry_run_names_pages_and_prices_and_changes_nothing(book: ReportBook) -> None:
    before = book.metadata
    lines = run("--set", "auto", "--dry-run").output
    assert f"{SCAN} had 3 pages and would have 4; 3 pictures, 4 pages: 1 spread, 2 single" in lines
    assert "pages that stay the same: 2; to be read: 2 (2-3)" in lines
    assert "1 picture may show two pages and stayed whole (3): something reaches across its fold" in lines
    correction = "2 complete pages kept; 1 no longer in the book, which cost $0.50 (stays on record)"
    assert f"{SCAN}/correction: {correction}; the new ones take about $1.00" in lines
    assert "Then, to read the new pages: producer enqueue a-book --through correction" in lines
    assert book.parts.store.metadata(SCAN) == before


def test_pages_are_split_and_shown(book: ReportBook) -> None:
    form = json_of(run("--set", "auto", "--json"))
    assert (form["total_pages_before"], form["total_pages"], form["new_pages"], form["gone_pages"]) == (
        3,
        4,
        [2, 3],
        [2],
    )
    assert run().output.strip() == f"{SCAN}: 3 pictures, 4 pages: 1 spread, 2 single"
    assert [each["image"] for each in json_of(run("--json"))["spreads"]] == [2]
    assert book.parts.store.metadata(SCAN).profile.spreads == "auto"


def test_only_pictures_of_named_pages_change_and_the_profile_of_the_book_stays(book: ReportBook) -> None:
    json_of(run("--set", "auto", "--json"))
    form = json_of(run("--set", "no", "--pages", "1,4", "--json"))
    assert (form["total_pages"], form["new_pages"]) == (4, [])
    form = json_of(run("--set", "no", "--pages", "3", "--json"))
    assert (form["total_pages"], form["new_pages"]) == (3, [2])
    assert book.parts.store.metadata(SCAN).profile.spreads == "auto"


def test_a_change_that_was_interrupted_is_refused_by_commands_until_it_is_finished(book: ReportBook) -> None:
    (book.path / JOURNAL).write_text(Journal(state="writing", kept="then").model_dump_json())
    for command in (
        ["status", SCAN],
        ["verify", SCAN],
        ["report", SCAN],
        ["spreads", SCAN, "--set", "no", "--dry-run"],
    ):
        done = CliRunner().invoke(app, command)
        assert isinstance(done.exception, InputError), command
        assert f"`producer spreads {SCAN}`" in str(done.exception)
    assert f"producer spreads {SCAN}" in CliRunner().invoke(app, ["status"]).output
    assert "numbered consistently again" in run().output
    assert CliRunner().invoke(app, ["status", SCAN]).exit_code == 0


def test_a_picture_of_a_page_that_was_replaced_stays_as_it_is(
    book: ReportBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.planning.spread_change.find_spreads", lambda *_: FoundSpreads())
    page_picture(9).save(tmp_path / "again.jpg")
    assert CliRunner().invoke(app, ["replace-page", SCAN, "1", str(tmp_path / "again.jpg")]).exit_code == 0
    lines = run("--set", "auto", "--dry-run").output
    assert "the pictures of replaced pages stay as they are (1)" in lines
    assert book.parts.store.metadata(SCAN).total_pages == 3
