"""Logs of a worker as Celery's command line sets them: `--loglevel` and `--logfile`."""

import logging
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
import structlog
from celery.utils.log import mlevel
from celery.utils.nodenames import node_format
from click.core import ParameterSource

from checkpointing.errors import SettingsError
from worker.config.settings import Settings
from worker.telemetry.logs import configure_logs

_GIVEN = {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}


class WorkerGivesUp(SystemExit):
    """Ends a worker that cannot start, with an exit code; `reason` is why, in one line."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(exit_code)
        self.reason = reason


def level_in_force(settings: Settings, level: str | int | None) -> int:
    """Return the minimum level of a worker's lines, as a number: `--loglevel`, or else LEAFMARK_LOG_LEVEL.

    Celery passes its own default as the level if none was given.
    """
    context = click.get_current_context(silent=True)
    if level is not None and context is not None and context.get_parameter_source("loglevel") in _GIVEN:
        return int(mlevel(level))
    return logging.getLevelNamesMapping()[settings.log_level]


def set_up_worker_logs(
    settings: Settings, level: int, logfile: Any, hostname: str | None = None, *, colors: bool | None = None
) -> None:
    """Set up the logs of a worker, or of a process of its pool: on stderr, or in a file.

    With the name of the worker, fields like `%n` in the name of the file are filled in.
    """
    path = node_format(logfile, hostname) if logfile and hostname else logfile
    try:
        configure_logs(
            settings.log_level,
            settings.root,
            console_level=level,
            file=Path(path) if path else None,
            log_format=settings.log_format,
            colors=colors,
        )
    except SettingsError as error:
        # Celery would log another error and run without logs.
        sys.stderr.write(f"leafmark worker: {error}\n")
        raise WorkerGivesUp(str(error), error.exit_code) from error
    # Warnings of Celery about the user that it runs as, and of libraries.
    logging.captureWarnings(capture=True)


def give_up(settings: Settings, reason: str, exit_code: int) -> NoReturn:
    """End a worker that cannot start, with one line: in its log file, if it has one, and on stderr."""
    _report(settings, logging.ERROR, "worker does not start", error=reason, exit_code=exit_code, plain=reason)
    raise WorkerGivesUp(reason, exit_code)


def report_wait(settings: Settings, reason: str) -> None:
    """Log why a worker that has started takes no pages yet, and write it to stderr."""
    _report(settings, logging.WARNING, "worker waits", error=reason, plain=f"waits: {reason}")


def _report(settings: Settings, level: int, event: str, *, plain: str, **fields: Any) -> None:
    has_file = any(isinstance(handler, logging.FileHandler) for handler in logging.getLogger().handlers)
    if has_file or settings.log_format == "json":
        structlog.get_logger("leafmark.worker").log(level, event, **fields)
    if has_file or settings.log_format == "text":
        sys.stderr.write(f"leafmark worker: {plain}\n")
