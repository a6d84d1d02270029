"""The commands as the command line offers them."""

import re
import shlex
from importlib.metadata import version
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from producer.cli import app

COMMANDS = [command.name or "" for command in app.registered_commands]
GROUP: Any = typer.main.get_command(app)


def help_of(command: str) -> str:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    return shown.output


def examples(command: str) -> list[str]:
    return re.findall(r"Example: `(producer .+?)`", GROUP.commands[command].help)


def test_every_command_has_a_name() -> None:
    assert set(COMMANDS) >= {"run", "ingest", "enqueue", "status", "retry", "verify", "reset", "config", "doctor"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_with_an_example(command: str) -> None:
    assert f"Example: producer {command} " in help_of(command)
    assert examples(command)


@pytest.mark.parametrize("example", [example for command in COMMANDS for example in examples(command)])
def test_every_example_is_a_command_line_that_is_understood(example: str) -> None:
    _, command, *arguments = shlex.split(example)
    # Parses, converts and checks as for a real call, and calls nothing.
    with GROUP.commands[command].make_context(command, arguments) as context:
        assert context.params or context.args


def test_a_wrong_example_would_be_seen() -> None:
    with pytest.raises(Exception, match="No such option: --sstage"):
        GROUP.commands["enqueue"].make_context("enqueue", ["moby-dick", "--sstage", "ocr"])


def test_the_version_is_one_line() -> None:
    shown = CliRunner().invoke(app, ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"leafmark {version('leafmark')}\n")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["enqeue", "moby-dick"], "Did you mean 'enqueue'?"),
        (["doktor"], "Did you mean 'doctor'?"),
        (["enqueue", "moby-dick", "--stgae", "ocr"], "--stage"),
        (["status", "--jsn"], "--json"),
        (["doctor", "--only", "storage,reddis"], "there is no area 'reddis'"),
    ],
)
def test_what_was_meant_is_suggested(arguments: list[str], meant: str) -> None:
    refused = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert refused.exit_code == 2
    assert meant in refused.output
