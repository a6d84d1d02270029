"""`producer worker` and `producer flower` hand their arguments to Celery's own commands."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points, metadata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from producer.cli import app, main
from worker.storage.root_marker import library_at


class Replaced(BaseException):
    """Raised in place of becoming another program."""


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[list[str], dict[str, str]]]:
    """The programs that a command became: their arguments and environment. No Flower variable is set."""
    seen: list[tuple[list[str], dict[str, str]]] = []

    def execve(_path: str, arguments: Sequence[str], environment: Any) -> None:
        seen.append((list(arguments), dict(environment)))
        raise Replaced

    for name in [name for name in os.environ if name.startswith("FLOWER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execve", execve)
    return seen


def run(*arguments: str) -> None:
    with pytest.raises(Replaced):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_worker_hands_its_arguments_on_as_they_are(become: list[tuple[list[str], dict[str, str]]]) -> None:
    run("worker", "-Q", "ocr", "--concurrency", "8", "-n", "a@%h", "--pool=threads", "-f", "a log")
    ((arguments, environment),) = become
    assert arguments[1:4] == ["-m", "worker.launch.safe_celery", "worker"]
    assert arguments[4:] == ["-Q", "ocr", "--concurrency", "8", "-n", "a@%h", "--pool=threads", "-f", "a log"]
    assert environment["PYTHONSAFEPATH"] == "1"


def test_a_setting_on_the_command_line_reaches_the_worker(
    become: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAFMARK_DPI", "300")
    run("--set", "dpi=400", "worker")
    assert become[0][1]["LEAFMARK_DPI"] == "400"


@pytest.mark.parametrize(
    ("given", "environment", "handed_on"),
    [
        ([], {}, ["--address=127.0.0.1", f"--conf={os.devnull}"]),
        (["--port=1"], {}, ["--address=127.0.0.1", f"--conf={os.devnull}", "--port=1"]),
        (["--address=::1", "--conf=a.py"], {}, ["--address=::1", "--conf=a.py"]),
        ([], {"FLOWER_ADDRESS": "0.0.0.0", "FLOWER_CONF": "a.py"}, []),  # noqa: S104  # nothing is bound here
    ],
)
def test_flower_listens_on_this_machine_and_reads_no_file_unless_told_otherwise(
    become: list[tuple[list[str], dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    environment: dict[str, str],
    handed_on: list[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    run("flower", *given)
    assert become[0][0][4:] == handed_on


def test_flower_names_a_config_file_in_the_folder_that_it_does_not_read(
    become: list[tuple[list[str], dict[str, str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("flowerconfig.py").touch()
    run("flower", "--conf=flowerconfig.py")
    assert "flowerconfig" not in capsys.readouterr().err
    run("flower")
    assert become[-1][0][5] == f"--conf={os.devnull}"


@pytest.mark.parametrize("name", ["producer", "leafmark"])
def test_both_names_are_the_same_command_and_errors_begin_with_the_name(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (found,) = entry_points(group="console_scripts", name=name)
    assert found.load() is main
    library_at(tmp_path).make()
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [f"/somewhere/bin/{name}", "status", "nowhere"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 4
    assert capsys.readouterr().err.startswith(f"{name}: ")


def test_the_package_names_its_pages() -> None:
    assert metadata("leafmark").get_all("Project-URL")
