"""Log lines of a worker, Leafmark's own and those of libraries, in one format on stderr or in a file.

structlog renders Leafmark's lines, and the standard library passes on the others. If log rotation moves or deletes
the file, it is created again.
"""

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor

from checkpointing.errors import SettingsError
from checkpointing.identity import process_name

LogFormat = Literal["text", "json"]
_FIRST = ("timestamp", "level", "event")
_RENDERED = "leafmark_rendered"


def make_renderer(log_format: LogFormat, *, colors: bool) -> Processor:
    """Return the structlog processor that turns an event into a line.

    Args:
        log_format: `text`: structlog's console format on a terminal with colours, `name=value` elsewhere, which
            takes a tenth of the time; `json`: one object per line, with the fields of a scan's log.
        colors: whether the lines go to a terminal with colours.
    """
    if log_format == "json":
        return _as_json
    if colors:
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.LogfmtRenderer(key_order=list(_FIRST))


def _as_json(_logger: Any, _method: str, event: EventDict) -> str:
    first = {"timestamp": event.get("timestamp"), "level": event.get("level"), "message": event.get("event")}
    rest = {name: value for name, value in event.items() if name not in _FIRST}
    line: str | bytes = structlog.processors.JSONRenderer(default=str)(
        None, "", {**first, **rest, "worker": process_name()}
    )
    return line if isinstance(line, str) else line.decode()


class Formatter(logging.Formatter):
    """Formats the standard library's records with the renderer of Leafmark's own lines."""

    def __init__(self, renderer: Processor) -> None:
        super().__init__()
        self._renderer = renderer

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record. Records from structlog are lines already."""
        if getattr(record, _RENDERED, False):
            return str(record.msg)
        stamp = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        event: dict[str, Any] = {
            "timestamp": stamp,
            "level": record.levelname.lower(),
            "event": record.getMessage().strip(),
            "logger": record.name,
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return str(self._renderer(None, event["level"], event))


class ConsoleLogger:
    """Writes structlog's finished lines to the handler of this process, which may be replaced."""

    handler: logging.Handler = logging.NullHandler()

    def msg(self, line: str) -> None:
        """Write a line."""
        ConsoleLogger.handler.handle(logging.makeLogRecord({"msg": line, _RENDERED: True}))

    debug = info = warning = error = critical = exception = msg


class OnlyFrom:
    """A structlog processor that passes on events of a level (a number of the standard library) and above."""

    def __init__(self, level: int) -> None:
        self._level = level

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        """Pass the event on, or drop it if its level is lower."""
        if number_of(event) < self._level:
            raise structlog.DropEvent
        return event


def number_of(event: Mapping[str, Any]) -> int:
    """Return the level of an event as a number of the standard library."""
    return logging.getLevelNamesMapping().get(str(event.get("level", "")).upper(), logging.INFO)


def take_over(level: int, renderer: Processor, file: Path | None) -> None:
    """Write everything that this process logs, from this level on, to stderr or to a file.

    Raises:
        SettingsError: the file cannot be opened.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        try:
            handler = WatchedFileHandler(file, encoding="utf-8")
        except OSError as error:
            raise SettingsError(
                f"the log file {file} cannot be opened ({error.strerror}); name another with --logfile"
            ) from None
    handler.setFormatter(Formatter(renderer))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    ConsoleLogger.handler = handler
