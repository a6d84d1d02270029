"""Logs: readable lines on the console, JSON lines in the folder of the scan.

A line that names a scan and a stage also goes to `<scan>/logs/<stage>_<timestamp>-<host>-<pid>.jsonl`. Each process
has its own file, because appending from several machines to one file is not safe on network storage.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpointing.errors import InputError, StorageError
from checkpointing.identity import process_name
from checkpointing.regular_files import open_regular
from worker.pages.scan import ScanFolder
from worker.storage.root_marker import library_at

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

    from worker.telemetry.console_log import LogFormat


class ScanLogFiles:
    """A structlog processor that appends each line about a stage to that scan's log, below the storage root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = cache(self._make_path)
        # The last file stays open, because most lines go to the same file as the line before.
        self._open: tuple[Path, int] | None = None
        self._lock = threading.Lock()

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        """Write the event and return it unchanged. An error of the log never stops a page."""
        if "scan_id" in event and "stage" in event:
            line = {**event, "message": event["event"], "worker": process_name()}
            del line["event"]
            with suppress(OSError, InputError, StorageError):
                # Another share with a scan of that id must not get the lines.
                library_at(self._root).check()
                path = self._path(event["scan_id"], event["stage"], os.getpid())
                self._append(path, json.dumps(line, default=str).encode() + b"\n")
        return event

    def close(self) -> None:
        """Close the open file. The next line opens it again."""
        with self._lock:
            self._close()

    def _append(self, path: Path, line: bytes) -> None:
        with self._lock:
            if self._open is None or self._open[0] != path:
                self._close()
                path.parent.mkdir(exist_ok=True)
                self._open = path, open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(self._open[1], line)

    def _close(self) -> None:
        if self._open is not None:
            os.close(self._open[1])
            self._open = None

    def _make_path(self, scan_id: str, stage: str, pid: int) -> Path:
        """Return the file of a process for a stage.

        Raises:
            InputError: the scan or stage does not exist: the event may quote a forged message.
        """
        scan = ScanFolder(self._root, scan_id)
        if not stage.isidentifier() or not scan.metadata_path.is_file():
            raise InputError(f"there is no {scan_id}/{stage} to log for")
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        return scan.logs_dir / f"{stage}_{stamp}-{socket.gethostname()}-{pid}.jsonl"


def note_for_scan(root: Path, scan_id: str, stage: str, message: str, **fields: Any) -> None:
    """Write one line with these fields to a scan's log, from a process that logs nothing else. Never fails."""
    files = ScanLogFiles(root)
    stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    event = {**fields, "scan_id": scan_id, "stage": stage, "level": "info", "event": message, "timestamp": stamp}
    files(None, "info", event)
    files.close()


def configure_logs(
    level: str,
    root: Path | None = None,
    *,
    console_level: int | None = None,
    file: Path | None = None,
    log_format: LogFormat = "text",
    colors: bool | None = None,
) -> None:
    """Set up structlog and the standard library's logging for this process.

    Args:
        level: minimum log level: `DEBUG`, `INFO`, `WARNING` or `ERROR`.
        root: storage root for the JSON lines in the scans' folders; None: write none.
        console_level: minimum level of the lines on stderr, as a number; default: the same.
        file: file for these lines, instead of stderr.
        log_format: see `make_formatter`.
        colors: whether to use colours; default: if stderr is a terminal.

    Raises:
        SettingsError: the file cannot be opened.
    """
    import structlog

    from worker.telemetry.console_log import make_formatter, take_over

    number = logging.getLevelNamesMapping()[level]
    shown = number if console_level is None else console_level
    colors = sys.stderr.isatty() if colors is None else colors
    colors = colors and file is None and log_format == "text"
    take_over(shown, make_formatter(log_format, colors=colors), file)
    # Celery's lines about received and finished tasks repeat the lines of the pages.
    logging.getLogger("celery.worker.strategy").setLevel(max(shown, logging.WARNING))
    logging.getLogger("celery.app.trace").setLevel(max(shown, logging.WARNING))
    structlog.configure(
        processors=[
            # Scan, stage and page of a line, if the code that logs it does not have them, like a client of a model.
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if root is None else [_from_level(number, ScanLogFiles(root))]),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min(number, shown)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _from_level(level: int, files: ScanLogFiles) -> Processor:
    """Write events of a level and above into the scans' logs, whatever level the console shows."""
    numbers = logging.getLevelNamesMapping()

    def write(logger: Any, method: str, event: EventDict) -> EventDict:
        return files(logger, method, event) if numbers[event["level"].upper()] >= level else event

    return write
