"""Log lines of a worker, Leafmark's own and those of libraries, in one format on stderr or in a file.

If log rotation moves or deletes the file, it is created again.
"""

import json
import logging
import sys
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, Literal

import structlog
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.typing import EventDict, Processor

from checkpointing.errors import SettingsError
from checkpointing.identity import process_name

LogFormat = Literal["text", "json"]
_FIRST = ("timestamp", "level", "event")


def make_formatter(log_format: LogFormat, *, colors: bool) -> logging.Formatter:
    """Return the formatter of all lines.

    Args:
        log_format: `text`: structlog's console format on a terminal with colours, `name=value` elsewhere, which
            takes a tenth of the time; `json`: one object per line, with the fields of a scan's log.
        colors: whether the lines go to a terminal with colours.
    """
    renderer: Processor = structlog.processors.LogfmtRenderer(key_order=list(_FIRST))
    if log_format == "json":
        renderer = _as_json
    elif colors:
        renderer = structlog.dev.ConsoleRenderer()
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    format_error = structlog.processors.format_exc_info
    return ProcessorFormatter(
        foreign_pre_chain=[_stripped, add_logger_name, structlog.processors.add_log_level, stamp, format_error],
        # With colours the renderer formats the errors of Leafmark's own lines.
        processors=[ProcessorFormatter.remove_processors_meta, *([] if colors else [format_error]), renderer],
    )


def _stripped(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event["event"] = event["event"].strip()
    return event


def _as_json(_logger: Any, _method: str, event: EventDict) -> str:
    first = {"timestamp": event.get("timestamp"), "level": event.get("level"), "message": event.get("event")}
    rest = {name: value for name, value in event.items() if name not in _FIRST}
    return json.dumps({**first, **rest, "worker": process_name()}, default=str)


def take_over(level: int, formatter: logging.Formatter, file: Path | None) -> None:
    """Write everything that this process logs, from this level on, to stderr or to a file.

    Raises:
        SettingsError: the file cannot be opened.
    """
    try:
        handler = logging.StreamHandler(sys.stderr) if file is None else WatchedFileHandler(file, encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"the log file {file} cannot be opened ({error.strerror})", hint="name another with --logfile"
        ) from None
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
