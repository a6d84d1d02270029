"""Celery's options for logs do what they say: `--loglevel`, `--logfile`."""

import logging
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import structlog
from click.testing import CliRunner

from worker.config.settings import Settings
from worker.telemetry.celery_logs import WorkerGivesUp, give_up, level_in_force, report_wait, set_up_worker_logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root_logger = logging.getLogger()
    before = (root_logger.handlers[:], root_logger.level)
    root_logger.handlers.clear()
    yield
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    for handler in root_logger.handlers:
        handler.close()
    root_logger.handlers, root_logger.level = before


@pytest.mark.parametrize(
    ("arguments", "setting", "level"),
    [
        ([], "INFO", logging.INFO),
        ([], "ERROR", logging.ERROR),
        (["-l", "debug"], "INFO", logging.DEBUG),
        (["--loglevel=WARNING"], "INFO", logging.WARNING),
        (["--loglevel", "CRITICAL"], "DEBUG", logging.CRITICAL),
        (["-l", "15"], "INFO", 15),
    ],
)
def test_a_level_on_the_command_line_goes_before_the_setting(
    arguments: list[str], setting: str, level: int
) -> None:
    found: list[int] = []

    @click.command()
    @click.option(
        "-l", "--loglevel", default="WARNING", type=lambda said: int(said) if said.isdigit() else said.upper()
    )
    def worker(loglevel: str) -> None:
        found.append(level_in_force(Settings(log_level=setting), loglevel))  # type: ignore[arg-type]  # one of them

    CliRunner().invoke(worker, arguments, catch_exceptions=False)
    assert found == [level]


def test_without_a_command_line_the_setting_decides() -> None:
    assert level_in_force(Settings(log_level="ERROR"), "WARNING") == logging.ERROR
    assert level_in_force(Settings(log_level="ERROR"), None) == logging.ERROR


def test_the_name_of_the_file_is_filled_in(tmp_path: Path) -> None:
    set_up_worker_logs(Settings(storage_root=tmp_path), logging.INFO, f"{tmp_path}/%n-%d.log", "ocr1@node7.example")
    logging.getLogger("celery").info("a line")
    assert "a line" in (tmp_path / "ocr1-example.log").read_text()


def test_a_file_that_cannot_be_opened_ends_the_worker_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        set_up_worker_logs(Settings(storage_root=tmp_path), logging.INFO, f"{tmp_path}/nowhere/a.log")
    assert ended.value.code == 7
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("leafmark worker: the log file ")


@pytest.mark.parametrize(
    ("log_format", "logfile", "on_stderr", "in_file"),
    [
        ("text", "", "leafmark worker: no root", None),
        ("json", "", '"message": "worker does not start", "error": "no root"', None),
        ("text", "a.log", "leafmark worker: no root", 'event="worker does not start" error="no root"'),
        ("json", "a.log", "leafmark worker: no root", '"error": "no root"'),
    ],
)
def test_a_worker_that_cannot_start_says_why_where_its_lines_go(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    log_format: str,
    logfile: str,
    on_stderr: str,
    in_file: str | None,
) -> None:
    settings = Settings(storage_root=tmp_path, log_format=log_format)  # type: ignore[arg-type]  # one of them
    set_up_worker_logs(settings, logging.INFO, f"{tmp_path}/{logfile}" if logfile else None)
    with pytest.raises(WorkerGivesUp) as ended:
        give_up(settings, "no root", 5)
    assert (ended.value.code, ended.value.reason) == (5, "no root")
    (line,) = capsys.readouterr().err.splitlines()
    assert on_stderr in line
    if in_file is not None:
        assert in_file in (tmp_path / logfile).read_text()


@pytest.mark.parametrize(
    ("log_format", "line"),
    [("text", "leafmark worker: waits: no share\n"), ("json", '"message": "worker waits", "error": "no share"')],
)
def test_a_worker_that_waits_says_why_in_the_format_of_its_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], log_format: str, line: str
) -> None:
    settings = Settings(storage_root=tmp_path, log_format=log_format)  # type: ignore[arg-type]  # one of them
    set_up_worker_logs(settings, logging.INFO, None)
    report_wait(settings, "no share")
    assert line in capsys.readouterr().err
