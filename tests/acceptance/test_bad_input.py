"""What cannot be done is said in one line, with a documented exit code, and leaves nothing behind."""

import json
import signal
from pathlib import Path

import pytest
from PIL import Image

from tests.support.deployment import PRODUCER, Deployment
from tests.support.fake_deployment import files_under, write_scan

CLOSED_PORT = "redis://:secret@127.0.0.1:1/0"


def refused(deployment: Deployment, *arguments: str | Path, code: int, **environment: str) -> str:
    """Run a command that must fail; returns the line it says."""
    before = files_under(deployment.root)
    done = deployment.producer(*arguments, expect=code, **environment)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("producer: ")
    assert files_under(deployment.root) == before
    return lines[0]


def page_folder(folder: Path, colour: str = "white") -> Path:
    folder.mkdir()
    Image.new("RGB", (60, 80), colour).save(folder / "page1.png")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return page_folder(tmp_path / "My Book")


@pytest.fixture
def book(deployment: Deployment) -> Deployment:
    write_scan(deployment.root, "moby-dick", pages=5)
    return deployment


def test_a_source_that_does_not_exist(deployment: Deployment, tmp_path: Path) -> None:
    assert "does not exist; check the path" in refused(deployment, "ingest", tmp_path / "no.pdf", code=3)


def test_a_source_whose_name_has_two_lines_is_still_said_in_one(deployment: Deployment, tmp_path: Path) -> None:
    assert "does not exist" in refused(deployment, "ingest", tmp_path / "two\nlines.pdf", code=3)


@pytest.mark.parametrize("name", ["book.pdf", "book.txt", "page.png"])
def test_a_source_that_is_not_what_its_name_says(deployment: Deployment, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Call me Ishmael.")
    assert name in refused(deployment, "ingest", tmp_path / name, code=3)


def test_an_empty_folder(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "contains no page images" in refused(deployment, "ingest", tmp_path / "empty", code=3)


@pytest.mark.parametrize("scan_id", ["../up", "two words", "x" * 300, ""])
def test_a_scan_id_that_cannot_be_one(deployment: Deployment, source: Path, scan_id: str) -> None:
    line = refused(deployment, "ingest", source, "--scan-id", scan_id, code=3)
    assert "is not a scan id: use 1 to 100 letters, digits" in line
    assert len(line) < 300


def test_a_scan_id_that_is_taken_by_another_book(deployment: Deployment, source: Path, tmp_path: Path) -> None:
    deployment.producer("ingest", source, "--scan-id", "taken")
    other = page_folder(tmp_path / "other", "black")
    line = refused(deployment, "ingest", other, "--scan-id", "taken", code=3)
    assert "the scan id 'taken' is taken by 'My Book'" in line
    assert "--scan-id" in line


def test_an_ingested_book_says_its_id_and_nothing_else_on_stdout(deployment: Deployment, source: Path) -> None:
    first, again = deployment.producer("ingest", source), deployment.producer("ingest", source)
    assert first.stdout == again.stdout == "my-book\n"
    assert first.stderr == "Ingested 'My Book', 1 page, as my-book\n"
    assert again.stderr.startswith("Already ingested")


def test_a_title_is_shown_word_for_word(deployment: Deployment, source: Path) -> None:
    title = "A :book: of [bold] 100 pages :100:"
    deployment.producer("ingest", source, "--title", title)
    assert json.loads(deployment.producer("status", "my-book", "--json").stdout)["title"] == title


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["enqueue", "moby-dik"], 4, "there is no scan 'moby-dik'"),
        (["enqueue", "moby-dick", "--stage", "polish"], 4, "there is no stage 'polish'; stages: ocr"),
        (["enqueue", "moby-dick", "--start-page", "6"], 4, "`--start-page 6` is past the last page (5)"),
        (
            ["enqueue", "moby-dick", "--start-page", "4", "--end-page", "2"],
            2,
            "--start-page 4 is after --end-page 2",
        ),
        (["enqueue", "../moby-dick"], 3, "is not a scan id"),
        (["status", "moby-dik"], 4, "did you mean 'moby-dick'?"),
        (["retry", "moby-dick", "--pages", "two"], 2, "write it like 3,7-9"),
    ],
)
def test_what_does_not_exist(book: Deployment, arguments: list[str], code: int, words: str) -> None:
    assert words in refused(book, *arguments, code=code)
    assert book.redis.keys() == []


@pytest.mark.parametrize(
    "arguments", [["enqueue"], ["enqueue", "moby-dick", "--start-page", "0"], ["engulf"], ["status", "--fast"]]
)
def test_a_command_line_that_is_wrong(book: Deployment, arguments: list[str]) -> None:
    done = book.producer(*arguments, expect=2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "Usage: " in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["enqueue", "status"])
def test_a_storage_root_that_is_missing(deployment: Deployment, tmp_path: Path, command: str) -> None:
    missing = tmp_path / "missing"
    line = refused(deployment, command, "moby-dick", code=5, LEAFMARK_STORAGE_ROOT=str(missing))
    assert str(missing) in line
    assert not missing.exists()


@pytest.mark.parametrize("command", ["ingest", "enqueue"])
def test_a_storage_root_that_is_a_file(deployment: Deployment, source: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    argument = source if command == "ingest" else "moby-dick"
    line = refused(deployment, command, argument, code=5, LEAFMARK_STORAGE_ROOT=str(tmp_path / "file"))
    assert "a file is in the place of a folder" in line


def test_a_broker_that_is_down_is_said_with_the_ways_out_and_status_works_without(book: Deployment) -> None:
    for arguments in (["enqueue", "moby-dick"], ["enqueue", "moby-dick", "--no-resume"]):
        line = refused(book, *arguments, code=6, LEAFMARK_REDIS_URL=CLOSED_PORT)
        assert "Redis does not answer at redis://127.0.0.1:1/0" in line
        assert "redis-server" in line
        assert "`producer run`" in line
        assert "secret" not in line
    dry = book.producer("enqueue", "moby-dick", "--dry-run", expect=6, LEAFMARK_REDIS_URL=CLOSED_PORT)
    plan, blocked = dry.stdout.splitlines()
    assert plan == "moby-dick/ocr: would enqueue 5 pages (1-5)"
    assert blocked.startswith("  blocked: Redis does not answer")
    status = book.producer("status", "--json", LEAFMARK_REDIS_URL=CLOSED_PORT)
    (scan,) = json.loads(status.stdout)
    assert scan["scan_id"] == "moby-dick"
    assert scan["stages"]["ocr"]["status"] == "not_started"


def test_a_setting_that_is_wrong(book: Deployment) -> None:
    line = refused(book, "status", code=7, LEAFMARK_DPI="12", LEAFMARK_OCR_ENGINE="magic")
    assert "LEAFMARK_DPI='12': Input should be greater than or equal to 72" in line
    assert "LEAFMARK_OCR_ENGINE='magic': there is no OCR engine 'magic'; choose rapidocr or tesseract" in line


def test_debug_shows_the_traceback_and_keeps_the_exit_code(book: Deployment) -> None:
    done = book.producer("enqueue", "moby-dik", "--debug", expect=4)
    assert done.stdout == ""
    assert "Traceback (most recent call last)" in done.stderr
    assert "there is no scan 'moby-dik'" in done.stderr


def test_an_ingest_that_is_interrupted_says_so_and_leaves_nothing(deployment: Deployment, tmp_path: Path) -> None:
    """A book of so many pages that it is known to be at it."""
    folder = page_folder(tmp_path / "long")
    for number in range(2, 2000):
        (folder / f"page{number}.png").hardlink_to(folder / "page1.png")
    process = deployment.start([*PRODUCER, "ingest", str(folder)])
    deployment.wait(lambda: bool(list(deployment.root.glob(".leafmark/ingest-*/*/source/*"))), 60, "the first page")
    process.send_signal(signal.SIGINT)
    assert deployment.wait_for_exit(process) == 130, deployment.logs()
    assert "Traceback" not in deployment.logs()
    left = [path for path in files_under(deployment.root) if not path.startswith(".leafmark/library.")]
    assert left == [".leafmark"]
