"""The commands as the command line offers them."""

import pytest
from typer.testing import CliRunner

from producer.cli import app

COMMANDS = [command.name or "" for command in app.registered_commands]


def test_every_command_has_a_name() -> None:
    assert set(COMMANDS) >= {"run", "ingest", "enqueue", "status", "retry", "verify", "reset"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert f"Example: producer {command} " in shown.output
