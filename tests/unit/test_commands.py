"""The commands as the command line offers them."""

import re
import shlex
from importlib.metadata import version
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from producer.cli import COMMANDS as LISTED
from producer.cli import app
from producer.commands.command_group import help_markup

GROUP: Any = typer.main.get_command(app)
COMMANDS = list(LISTED)


def command_of(name: str) -> Any:
    return GROUP.get_command(None, name)


def help_of(command: str) -> str:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    return shown.output


def examples(command: str) -> list[str]:
    return re.findall(r"Example: `(producer .+?)`", command_of(command).help)


def test_every_command_has_a_name() -> None:
    assert set(COMMANDS) >= {"run", "ingest", "enqueue", "status", "retry", "verify", "reset", "config", "doctor"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_with_an_example(command: str) -> None:
    assert f"Example: `producer {command} " in help_of(command)
    assert examples(command)


@pytest.mark.parametrize("arguments", [["--help"], ["ingest", "--help"], ["run", "-h"]])
def test_help_in_a_pipe_has_no_boxes_and_no_colours(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments, color=True).output.isascii()


@pytest.mark.parametrize(("no_color", "markup"), [("", "markdown"), ("1", None)])
def test_help_on_a_terminal_has_boxes_unless_no_color_is_set(
    no_color: str, markup: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert help_markup() == markup


@pytest.mark.parametrize("example", [example for command in COMMANDS for example in examples(command)])
def test_every_example_is_a_command_line_that_is_understood(example: str) -> None:
    _, command, *arguments = shlex.split(example)
    # Parses, converts and checks as for a real call, and calls nothing.
    with command_of(command).make_context(command, arguments) as context:
        assert context.params or context.args


def test_a_wrong_example_would_be_seen() -> None:
    with pytest.raises(Exception, match="No such option: --sstage"):
        command_of("enqueue").make_context("enqueue", ["moby-dick", "--sstage", "ocr"])


def test_the_version_is_one_line() -> None:
    shown = CliRunner().invoke(app, ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"leafmark {version('leafmark')}\n")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["enqeue", "moby-dick"], "there is no command 'enqeue' (did you mean enqueue?)"),
        (["doktor"], "did you mean doctor?"),
        (["enqueue", "moby-dick", "--stgae", "ocr"], "there is no option --stgae (did you mean --stage?)"),
        (["status", "--jsn"], "did you mean --json?"),
        (["doctor", "--only", "storage,reddis"], "there is no area 'reddis'"),
    ],
)
def test_what_was_meant_is_suggested(arguments: list[str], meant: str) -> None:
    refused = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert refused.exit_code == 2
    assert meant in refused.output
    assert len(refused.output.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["frobnicate"], ["status", "--colour"], ["watch", "--verbose"], ["stop"]])
def test_nothing_is_suggested_where_nothing_is_close(arguments: list[str]) -> None:
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert "did you mean" not in refused.output


@pytest.mark.parametrize(
    "arguments", [["run"], ["--set"], ["run", "x", "--workers", "many"], ["enqueue", "x", "--start-page", "0"]]
)
def test_a_wrong_command_line_is_told_in_one_line_on_stderr_with_exit_code_2(arguments: list[str]) -> None:
    refused = CliRunner().invoke(app, arguments, prog_name="producer")
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert re.fullmatch(r"producer( \w+)?: .+; see `producer( \w+)? --help`\n", refused.stderr)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_h_shows_the_help(command: str) -> None:
    asked = [command] if command else []
    short, long = (CliRunner().invoke(app, [*asked, option]) for option in ("-h", "--help"))
    assert (short.exit_code, short.output) == (0, long.output)
