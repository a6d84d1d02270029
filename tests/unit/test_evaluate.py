"""A book measured: its figures, its table, JSON and HTML, and what is reported where something is missing."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from checkpointing.errors import InputError, LeafmarkError, NotMeasuredError, UnknownNameError
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from producer.cli import app
from producer.evaluate.marks import Change, marks_of
from producer.evaluate.readings import read_stages
from tests.support.model_inputs import ocr_page
from tests.support.report_book import CORRECTED, READ, SCAN, ReportBook, make_book, page_picture

HOSTILE = "</style><script>alert(1)</script><b>'\" {{ 7*7 }} &amp;"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of four pages, read and corrected alike on each."""
    root = tmp_path_factory.mktemp("made") / "scans"
    book = make_book(root, map(page_picture, range(1, 5)))
    book.complete("ocr", book.read())
    book.complete("correction", book.corrected(), cost_micro=dict.fromkeys(book.pages, 400))
    return root


@pytest.fixture
def book(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> ReportBook:
    root = shutil.copytree(made, tmp_path / "scans")
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(root))
    return ReportBook(root)


def truth_of(folder: Path, pages: dict[int, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for page, text in pages.items():
        (folder / f"page_{page:04}.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """What is printed on each page: as corrected, below its head."""
    return truth_of(tmp_path / "truth", {page: f"HEAD {page}\n{CORRECTED}" for page in range(1, 5)})


def run(truth: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", SCAN, "--truth", str(truth), *options])


def measured(truth: Path, *options: str) -> dict[str, Any]:
    done = run(truth, "--json", *options)
    form: dict[str, Any] = json.loads(done.stdout)
    return form


def test_each_stage_is_measured_by_page_and_over_the_book(book: ReportBook, truth: Path) -> None:
    form = measured(truth)
    ocr, correction = form["stages"]
    assert (ocr["stage"], correction["stage"], ocr["pages_measured"]) == ("ocr", "correction", 4)
    page = ocr["pages"][0]["as_read"]
    # "bis" for "his", "spectac1es" for "spectacles".
    assert (page["character_errors"], page["word_errors"], page["words"]) == (2, 2, 15)
    assert ocr["as_read"]["cer"] == pytest.approx(8 / (4 * len(f"HEAD 1 {CORRECTED}")))
    assert ocr["as_read"]["cer_interval"] == pytest.approx([ocr["as_read"]["cer"]] * 2)
    assert ocr["normalised"]["word_recall"] == pytest.approx(13 / 15)
    assert (correction["as_read"]["cer"], correction["as_read"]["word_order"]) == (0, 1)
    assert form["rules"]["as_read"] == ["canonical_form", "spaces"]
    assert {"long_s", "quotes", "dashes", "compatibility_form"} <= set(form["rules"]["normalised"])
    assert measured(truth) == form
    del book


def test_cost_time_and_rate_stand_beside_the_figures(book: ReportBook, truth: Path) -> None:
    ocr, correction = measured(truth, "--pages", "1-2")["stages"]
    assert (ocr["cost_usd"], ocr["seconds"], ocr["timed_pages"]) == (0, 3.0, 2)
    assert correction["cost_usd"] == pytest.approx(0.0008)
    assert ocr["pages_per_second"] == 0.5
    assert (
        "cost $0.00, unknown core-seconds, 3.0 s by the clock (1.50 per page), 0.50 pages/s"
        in run(truth, "--pages", "1-2").stdout
    )
    del book


def test_core_seconds_are_those_that_the_checkpoint_records(book: ReportBook, truth: Path) -> None:
    file = book.parts.store.checkpoint_file(StageRef(SCAN, "ocr"))
    with file.exclusive() as checkpoint:
        checkpoint.pages[2] = replace(checkpoint.pages[2], cpu_seconds=1.25)
        file.save(checkpoint)
    (ocr,) = measured(truth, "--stage", "ocr")["stages"]
    assert (ocr["core_seconds"], ocr["core_timed_pages"]) == (1.25, 1)
    assert "1.2 core-seconds (1.25 per page)" in run(truth, "--stage", "ocr").stdout


@pytest.mark.usefixtures("book")
def test_the_table_has_a_row_for_each_page_one_for_the_book_and_the_intervals(truth: Path) -> None:
    done = run(truth, "--stage", "ocr")
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert lines[0] == f"{SCAN}/ocr: 4 pages measured against {truth}"
    assert re.match(r"page +characters +CER +WER +CER norm\. +WER norm\. +words found +in order$", lines[1])
    assert [line.split()[0] for line in lines[2:8]] == ["1", "2", "3", "4", "book", "95"]
    assert re.match(r"book +308 +2\.60 % +13\.33 %", lines[6])
    assert lines[-1].startswith("As read: canonical_form, spaces. Normalised: ")


@pytest.mark.usefixtures("book")
def test_pages_without_truth_are_reported_and_not_counted(tmp_path: Path) -> None:
    some = truth_of(tmp_path / "some", {2: f"HEAD 2\n{READ}"})
    done = run(some, "--stage", "ocr")
    assert done.exit_code == 0
    assert f"{SCAN}: no truth for 3 pages (1, 3-4); not counted" in done.stderr
    assert "no truth" not in done.stdout
    (ocr,) = measured(some, "--stage", "ocr")["stages"]
    assert (ocr["pages_measured"], ocr["as_read"]["cer"], ocr["as_read"]["cer_interval"]) == (1, 0, None)


def test_pages_that_are_not_complete_are_not_counted_and_change_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, truth: Path
) -> None:
    book = make_book(tmp_path / "scans", map(page_picture, range(1, 5)))
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(tmp_path / "scans"))
    assert isinstance(run(truth).exception, UnknownNameError)
    outputs = book.read()
    failed = FailedPage(page=3, kind="torn", message="torn", attempts=1)
    book.complete("ocr", {page: outputs[page] for page in (1, 2, 4)}, failed=[failed])
    book.output_path("ocr", 2).write_text("damaged")
    done = run(truth, "--html", str(tmp_path / "measured.html"))
    assert isinstance(done.exception, NotMeasuredError)
    assert str(done.exception).startswith(
        f"{SCAN}: pages with truth are not complete and not counted: ocr: 2 pages"
    )
    assert f"{SCAN}/ocr: 2 pages measured" in done.stdout
    assert "Not complete, and not counted: 2, 3" in (tmp_path / "measured.html").read_text()
    (ocr,) = measured(truth)["stages"]
    assert (ocr["pages_measured"], ocr["pages_not_complete"]) == (2, [2, 3])


@pytest.mark.usefixtures("book")
def test_an_empty_truth_counts_what_was_read_as_errors(tmp_path: Path) -> None:
    some = truth_of(tmp_path / "some", {1: f"HEAD 1\n{READ}", 2: " \n"})
    (ocr,) = measured(some, "--stage", "ocr", "--pages", "1-2")["stages"]
    read = len(f"HEAD 2 {READ}")
    assert ocr["pages"][1]["as_read"]["cer"] is None
    assert ocr["as_read"]["cer"] == pytest.approx(1.0)
    assert ocr["as_read"]["character_errors"] == read
    assert "the truth is empty for 1 page (2)" in run(some).stderr


def test_an_empty_reading_is_reported_and_counts_as_all_errors(book: ReportBook, truth: Path) -> None:
    book.complete("ocr", {1: ocr_page(page=1)})
    done = run(truth, "--stage", "ocr", "--pages", "1")
    assert f"{SCAN}/ocr: nothing was read on 1 page (1)" in done.stderr
    assert re.search(r"^1 +77 +100\.00 % +100\.00 %.* 0\.00 % +-$", done.stdout, re.MULTILINE)


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize(
    ("pages", "options", "error", "words"),
    [
        ({1: "x"}, ["--stage", "ocrr"], UnknownNameError, "ocr"),
        ({1: "x"}, ["--stage", "fix"], UnknownNameError, "the stage fix has not begun"),
        ({1: "x"}, ["--pages", "2"], InputError, "has no truth for the pages"),
        ({1: "x"}, ["--pages", "9"], UnknownNameError, "there is no page 9"),
        ({9: "x"}, [], UnknownNameError, "has a page 9, and the book has 4 pages"),
        ({1: "", 2: "\n"}, [], InputError, "the truth of every page is empty"),
        ({}, [], InputError, "there is no truth in"),
        ({1: "x"}, ["--html", "/nowhere/x.html"], InputError, "there is no folder /nowhere.*--html"),
    ],
)
def test_what_cannot_be_measured_is_one_clear_line(
    tmp_path: Path, pages: dict[int, str], options: list[str], error: type[LeafmarkError], words: str
) -> None:
    done = run(truth_of(tmp_path / "some", pages), *options)
    assert isinstance(done.exception, error)
    assert re.search(words, str(done.exception))
    assert "\n" not in str(done.exception)
    assert done.stdout == ""


def test_a_stage_without_text_is_refused(book: ReportBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.evaluate.readings._REGIONS", "words")
    with pytest.raises(InputError, match="the stage ocr have no text"):
        read_stages(book.parts.store, book.metadata, "ocr")


def test_the_html_shows_pictures_and_differences_and_loads_nothing(
    book: ReportBook, truth: Path, tmp_path: Path
) -> None:
    book.complete("ocr", book.read(HOSTILE))
    target = tmp_path / "measured.html"
    done = run(truth, "--stage", "ocr", "--html", str(target))
    assert done.stdout.splitlines()[-1] == str(target)
    html = target.read_text()
    assert html.count('<article class="evaluated"') == 4
    assert html.count("data:image/webp") == 4
    assert "<script" not in html
    assert "&lt;/style&gt;&lt;script&gt;alert(1)" in html
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", html)
    # An earlier one may be replaced, another file may not.
    assert run(truth, "--html", str(target)).exit_code == 0
    target.write_text("mine")
    assert isinstance(run(truth, "--html", str(target)).exception, InputError)
    assert target.read_text() == "mine"


def test_differences_are_marked_by_words_and_within_similar_words_by_letters() -> None:
    truth = "The White Rabbit\nput on \u017fpectacles and ran away"
    reading = "The Whlte Rabbit put spectacles and and wxyz"
    marks = [(mark.change, mark.printed, mark.read) for mark in marks_of(truth, reading)]
    assert marks == [
        (Change.SAME, "The Wh", "The Wh"),
        (Change.OTHER, "i", "l"),
        (Change.SAME, "te Rabbit\nput ", "te Rabbit\nput "),
        (Change.MISSING, "on", ""),
        (Change.SAME, " ", " "),
        (Change.ALIKE, "\u017fpectacles", "spectacles"),
        (Change.SAME, " and ", " and "),
        (Change.OTHER, "ran", "and"),
        (Change.SAME, " ", " "),
        (Change.OTHER, "away", "wxyz"),
    ]


@pytest.mark.parametrize(("truth", "reading"), [("", "a b"), ("a b", ""), ("a b c d", "x c"), ("\na\n\n\nb ", "b")])
def test_marks_hold_both_texts(truth: str, reading: str) -> None:
    marks = marks_of(truth, reading)
    assert "".join(mark.printed for mark in marks).split() == truth.split()
    assert "".join(mark.read for mark in marks).split() == reading.split()
