"""`producer worker` and `producer flower`: Celery's own commands for Leafmark, started safely from any folder."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import typer

from producer.terminal.console import notes
from worker.launch.child_processes import child_environment, python_command

_FLOWER_CONFIG = "flowerconfig.py"


def worker_command(context: typer.Context) -> None:
    """Start a worker: `celery -A worker worker` with the same options, safe to start in any folder.

    The most important of these: `-Q ocr` (the stages that it serves), `--concurrency 8` (pages at once),
    `--pool=threads` (for stages that ask models), `-n NAME@%h`, `-f FILE` (log file), `-l INFO` (log level).

    Example: `producer worker -Q ocr --concurrency 8`

    Example: `producer worker -Q correction,fix,structure --pool=threads --concurrency 64`
    """
    _become_celery("worker", context.args)


def flower_command(context: typer.Context) -> None:
    """Start Flower, the monitor: `celery -A worker flower` with the same options, on 127.0.0.1 by default.

    Set `FLOWER_BASIC_AUTH=user:password` before other machines can reach it. The most important options:
    `--port=5555`, `--address=0.0.0.0`, `--conf=FILE` (a `flowerconfig.py` in the current folder is read only
    if it is named).

    Example: `producer flower --port=5555`
    """
    if Path(_FLOWER_CONFIG).exists() and not _given("conf", context.args):
        notes.print(f"{_FLOWER_CONFIG} in this folder is not read; to use it: --conf={_FLOWER_CONFIG}")
    _become_celery("flower", [*flower_defaults(context.args), *context.args])


def flower_defaults(arguments: Sequence[str]) -> list[str]:
    """Return the options that Flower gets besides those given: it listens on 127.0.0.1 and runs no file found here.

    Args:
        arguments: of the command; variables of the environment with `FLOWER_` count as well.
    """
    defaults = {"address": "127.0.0.1", "conf": os.devnull}
    return [f"--{name}={value}" for name, value in defaults.items() if not _given(name, arguments)]


def _given(option: str, arguments: Sequence[str]) -> bool:
    names = (f"--{option}", f"-{option}")
    said = any(argument.partition("=")[0] in names for argument in arguments)
    return said or f"FLOWER_{option.upper()}" in os.environ


def _become_celery(command: str, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by Celery's: signals and exit code are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    started = python_command("worker.launch.safe_celery", command, *arguments)
    os.execve(started[0], started, child_environment())  # noqa: S606  # no shell is wanted
