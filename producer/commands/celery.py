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
    """Start a worker. The options are those of `celery -A worker worker`; safe to start in any folder.

    The most important options: `-Q ocr` (stages to process), `--concurrency 8` (pages at once), `--pool=threads`
    (for stages that call models), `-n NAME@%h`, `-f FILE` (log file), `-l INFO` (log level).

    Example: `producer worker -Q ocr --concurrency 8`

    Example: `producer worker -Q correction,fix,structure --pool=threads --concurrency 64`
    """
    _become_celery("worker", context.args)


def flower_command(context: typer.Context) -> None:
    """Start Flower, the monitor, on 127.0.0.1. The options are those of `celery -A worker flower`.

    Set `FLOWER_BASIC_AUTH=user:password` before other machines can reach it. The most important options:
    `--port=5555`, `--address=0.0.0.0`, `--conf=FILE`. A `flowerconfig.py` in the current folder is read only with
    `--conf=flowerconfig.py`.

    Example: `producer flower --port=5555`
    """
    if Path(_FLOWER_CONFIG).exists() and not _given("conf", context.args):
        notes.print(f"{_FLOWER_CONFIG} in the current folder is not read; to use it, add --conf={_FLOWER_CONFIG}")
    _become_celery("flower", [*flower_defaults(context.args), *context.args])


def flower_defaults(arguments: Sequence[str]) -> list[str]:
    """Return the defaults for Flower: it listens on 127.0.0.1 and runs no file of the current folder.

    The arguments of the command and environment variables with `FLOWER_` take precedence.
    """
    defaults = {"address": "127.0.0.1", "conf": os.devnull}
    return [f"--{name}={value}" for name, value in defaults.items() if not _given(name, arguments)]


def _given(option: str, arguments: Sequence[str]) -> bool:
    names = (f"--{option}", f"-{option}")
    given = any(argument.partition("=")[0] in names for argument in arguments)
    return given or f"FLOWER_{option.upper()}" in os.environ


def _become_celery(command: str, arguments: Sequence[str]) -> NoReturn:
    """Replace this process with Celery's, which then receives the signals and sets the exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    started = python_command("worker.launch.safe_celery", command, *arguments)
    os.execve(started[0], started, child_environment())  # noqa: S606  # no shell is needed
