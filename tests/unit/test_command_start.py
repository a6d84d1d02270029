"""What a command imports before it does anything: each start and each Tab pays for that, so it is counted here."""

import json
import os
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import typer

from producer import cli
from producer.commands.command_group import LazyGroup
from tests.support.fake_deployment import write_scan
from tests.support.waiting import HANG_SECONDS

PROBE = """
import json, sys
from producer.cli import main
heavy, commands = json.loads(sys.stdin.read())
found = {}
for command in commands:
    sys.argv = ["producer", *command.split()]
    try:
        main()
    except SystemExit:
        pass
    found[command] = [name for name in heavy if name in sys.modules]
print(json.dumps(found), file=sys.stderr)
"""
CLIENTS = ["celery", "kombu", "redis", "openai", "limits", "genai_prices", "structlog", "prometheus_client"]
READERS = ["numpy", "PIL", "pypdfium2", "rapidocr", "jinja2"]
# The first starts of a process: what one of them imports, those after it have as well.
BY_WEIGHT = ["--version", "statu", "--help", "config", "status", "status book", "logs book", "status nope"]


def modules_after(root: Path, heavy: list[str], commands: list[str], **variables: str) -> dict[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        input=json.dumps([heavy, commands]),
        env={**os.environ, "LEAFMARK_STORAGE_ROOT": str(root), "LEAFMARK_CONFIG": "", **variables},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=True,
    )
    return typing.cast("dict[str, list[str]]", json.loads(done.stderr.splitlines()[-1]))


def test_commands_that_read_files_import_no_client_of_redis_or_models_and_no_engine(tmp_path: Path) -> None:
    write_scan(tmp_path, "book", 2)
    assert modules_after(tmp_path, CLIENTS + READERS, BY_WEIGHT) == {command: [] for command in BY_WEIGHT}


def test_help_and_wrong_command_lines_import_no_settings(tmp_path: Path) -> None:
    commands = ["--help", "statu", "--no-such-option"]
    assert modules_after(tmp_path, ["pydantic_settings", "redis", "celery"], commands) == {
        each: [] for each in commands
    }


def test_commands_that_enqueue_import_neither_celery_nor_models_for_that(tmp_path: Path) -> None:
    write_scan(tmp_path, "book", 2)
    heavy = [name for name in CLIENTS if name not in {"redis", "celery", "kombu"}]
    commands = ["enqueue --help", "enqueue book --dry-run", "retry book", "cancel book", "reset book --stage ocr"]
    nowhere = {"LEAFMARK_REDIS_URL": "redis://127.0.0.1:1/0"}
    found = modules_after(tmp_path, [*heavy, "celery", *READERS], commands, **nowhere)
    assert found == {command: [] for command in commands}


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        ("producer enq", ["pydantic_settings", *CLIENTS, *READERS]),
        ("producer enqueue bo", CLIENTS + READERS),
        ("producer reset book --stage o", CLIENTS + READERS),
        ("producer doctor --on", CLIENTS + READERS),
    ],
)
def test_a_completion_imports_no_client_and_no_engine(tmp_path: Path, words: str, heavy: list[str]) -> None:
    write_scan(tmp_path, "book", 2)
    asked = {"_PRODUCER_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": words}
    # Completion is asked for by the name of the program.
    probe = PROBE.replace('sys.argv = ["producer",', 'sys.argv[:] = ["producer",')
    done = subprocess.run(
        [sys.executable, "-c", probe],
        input=json.dumps([heavy, [""]]),
        env={**os.environ, "LEAFMARK_STORAGE_ROOT": str(tmp_path), **asked},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=True,
    )
    assert done.stdout.strip()
    assert json.loads(done.stderr.splitlines()[-1]) == {"": []}


def test_the_list_of_commands_says_what_each_command_says_of_itself() -> None:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, LazyGroup)
    context = typer.Context(group, info_name="producer")  # type: ignore[arg-type]  # Typer's own kind of command
    for name, listed in cli.COMMANDS.items():
        command = group.get_command(context, name)
        assert command.help.splitlines()[0] == listed.summary
        assert command.name == name
