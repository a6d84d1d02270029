"""Logs: a JSON line beside the scan it is about, and never a page that stops because of one."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from checkpointing.errors import SettingsError
from checkpointing.identity import process_name
from tests.support.fake_deployment import SCAN, STAGE, FakeDeployment, write_scan
from tests.support.stages import raising
from worker.storage.root_marker import Library
from worker.telemetry.logs import ScanLogFiles, configure_logs


@pytest.fixture
def configured(fake: FakeDeployment) -> Iterator[None]:
    """Logging as a worker sets it up; afterwards as it was."""
    root_logger = logging.getLogger()
    before = (root_logger.handlers[:], root_logger.level)
    root_logger.handlers.clear()
    configure_logs("INFO", fake.root)
    yield
    structlog.reset_defaults()
    root_logger.handlers, root_logger.level = before


def log(root: Path, **event: Any) -> None:
    ScanLogFiles(root)(None, "info", {"event": "a line", "level": "info", **event})


def lines(root: Path, scan_id: str = SCAN) -> list[dict[str, Any]]:
    found = sorted((root / scan_id / "logs").glob(f"{STAGE}_*.jsonl"))
    return [json.loads(line) for path in found for line in path.read_text().splitlines()]


@pytest.mark.usefixtures("configured")
def test_a_page_that_is_done_leaves_a_line_beside_its_scan(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pipeline.process_page.log", structlog.get_logger("leafmark.page"))
    fake.process(2)
    (line,) = lines(fake.root)
    assert (
        line.items()
        >= {
            "level": "info",
            "message": "page complete",
            "scan_id": SCAN,
            "stage": STAGE,
            "page": 2,
            "worker": process_name(),
        }.items()
    )
    assert line["seconds"] >= 0
    assert line["timestamp"].endswith("Z")


@pytest.mark.usefixtures("configured")
def test_a_page_that_fails_leaves_its_error(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.pipeline.process_page.log", structlog.get_logger("leafmark.page"))
    fake.stage.act = raising(ValueError("bad luck"))
    for _ in range(3):
        fake.process(1)
    assert [(line["level"], line["error"]) for line in lines(fake.root)] == [
        ("warning", "ValueError: bad luck"),
        ("warning", "ValueError: bad luck"),
        ("error", "ValueError: bad luck"),
    ]


@pytest.mark.usefixtures("configured")
def test_what_is_below_the_level_is_not_logged(fake: FakeDeployment) -> None:
    structlog.get_logger("a").debug("too fine", scan_id=SCAN, stage=STAGE)
    assert lines(fake.root) == []


def test_the_lines_of_a_process_are_in_one_file(fake: FakeDeployment) -> None:
    files = ScanLogFiles(fake.root)
    for page in range(3):
        files(None, "info", {"event": "a line", "scan_id": SCAN, "stage": STAGE, "page": page})
    assert [line["page"] for line in lines(fake.root)] == [0, 1, 2]
    assert len(list((fake.root / SCAN / "logs").iterdir())) == 1


def test_an_event_is_passed_on_unchanged(tmp_path: Path) -> None:
    event = {"event": "a line", "scan_id": SCAN, "stage": STAGE}
    assert ScanLogFiles(tmp_path)(None, "info", event) == {"event": "a line", "scan_id": SCAN, "stage": STAGE}


def test_a_line_holds_whatever_is_put_into_it_on_one_line(fake: FakeDeployment) -> None:
    log(fake.root, scan_id=SCAN, stage=STAGE, error="first\nsecond \ud800", path=Path("a"))
    (line,) = lines(fake.root)
    assert line["error"] == "first\nsecond \ud800"
    assert line["path"] == "a"


@pytest.mark.parametrize("event", [{}, {"scan_id": SCAN}, {"stage": STAGE}])
def test_a_line_about_no_stage_of_no_scan_goes_into_no_file(fake: FakeDeployment, event: dict[str, str]) -> None:
    log(fake.root, **event)
    assert not (fake.root / SCAN / "logs").exists()


def test_a_folder_that_cannot_be_written_stops_nothing(fake: FakeDeployment) -> None:
    (fake.root / SCAN / "logs").write_text("in the way")
    log(fake.root, scan_id=SCAN, stage=STAGE)
    assert (fake.root / SCAN / "logs").read_text() == "in the way"


@pytest.mark.parametrize(
    ("scan_id", "stage"),
    [
        ("nowhere", STAGE),
        ("../outside", STAGE),
        ("..", STAGE),
        (".leafmark", STAGE),
        ("not-a-scan", STAGE),
        (SCAN, "../../../outside/x"),
    ],
)
def test_a_line_about_a_scan_that_does_not_exist_makes_nothing_anywhere(
    fake: FakeDeployment, scan_id: str, stage: str
) -> None:
    for folder in (fake.root.parent / "outside", fake.root / "not-a-scan"):
        folder.mkdir()
    (fake.root / SCAN / "logs").mkdir()
    before = set(fake.root.parent.rglob("*"))
    log(fake.root, scan_id=scan_id, stage=stage)
    assert set(fake.root.parent.rglob("*")) == before


@pytest.fixture
def restored() -> Iterator[None]:
    """Logging as it was, after a test that sets it up."""
    root_logger = logging.getLogger()
    before = (root_logger.handlers[:], root_logger.level)
    root_logger.handlers.clear()
    yield
    structlog.reset_defaults()
    for handler in root_logger.handlers:
        handler.close()
    root_logger.handlers, root_logger.level = before


def say_some(fake: FakeDeployment) -> None:
    """A line of ours about a page, one of a library's, and one with a traceback."""
    structlog.get_logger("leafmark.page").info("page complete", scan_id=SCAN, stage=STAGE, page=2, note='a "b"\nc')
    logging.getLogger("celery.worker").warning("first\n%s", "second")
    try:
        fake.scan_that_is_not_there  # type: ignore[attr-defined]  # noqa: B018
    except AttributeError:
        logging.getLogger("library").exception("it failed")


@pytest.mark.usefixtures("restored")
def test_lines_of_ours_and_of_libraries_have_one_format(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("INFO", fake.root)
    say_some(fake)
    ours, theirs, failed = capsys.readouterr().err.splitlines()
    for line in (ours, theirs, failed):
        assert re.match(r"timestamp=\d{4}-\d\d-\d\dT[\d:.]+Z level=(info|warning|error) event=", line)
    assert ' event="page complete" ' in ours
    assert r'note="a \"b\"\nc"' in ours
    assert r"event=first\nsecond logger=celery.worker" in theirs
    assert "AttributeError" in failed


@pytest.mark.usefixtures("restored")
def test_lines_are_json_objects_with_the_fields_of_a_scans_log(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("INFO", fake.root, log_format="json", colors=True)
    say_some(fake)
    ours, theirs, failed = map(json.loads, capsys.readouterr().err.splitlines())
    assert list(ours)[:3] == ["timestamp", "level", "message"]
    assert ours == lines(fake.root)[0]
    assert (theirs["level"], theirs["message"], theirs["logger"]) == ("warning", "first\nsecond", "celery.worker")
    assert "Traceback" in failed["exception"]


@pytest.mark.usefixtures("restored")
def test_lines_go_to_a_file_which_is_made_anew_when_it_was_moved(
    fake: FakeDeployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "worker.log"
    configure_logs("INFO", fake.root, file=file)
    say_some(fake)
    file.rename(tmp_path / "worker.log.1")
    say_some(fake)
    assert [path.read_text().count("\n") for path in (tmp_path / "worker.log.1", file)] == [3, 3]
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("restored")
def test_the_level_of_the_console_changes_nothing_in_the_logs_of_scans(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("INFO", fake.root, console_level=logging.ERROR)
    say_some(fake)
    (line,) = capsys.readouterr().err.splitlines()
    assert "it failed" in line
    assert [line["message"] for line in lines(fake.root)] == ["page complete"]
    configure_logs("INFO", fake.root, console_level=logging.DEBUG)
    structlog.get_logger("a").debug("fine", scan_id=SCAN, stage=STAGE)
    logging.getLogger("library").debug("finer")
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert [line["message"] for line in lines(fake.root)] == ["page complete"]


def test_a_log_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"log file .*/nowhere/a.log cannot be opened \(No such file"):
        configure_logs("INFO", file=tmp_path / "nowhere" / "a.log")


def test_a_line_does_not_go_to_another_library_that_has_a_scan_of_that_id(
    fake: FakeDeployment, tmp_path: Path
) -> None:
    log(fake.root, scan_id=SCAN, stage=STAGE)
    away = fake.root.rename(tmp_path / "away")
    write_scan(fake.root, SCAN, 1)
    Library(fake.root).make()
    before = sorted(fake.root.rglob("*"))
    log(fake.root, scan_id=SCAN, stage=STAGE)
    assert sorted(fake.root.rglob("*")) == before
    assert len(lines(away)) == 1
