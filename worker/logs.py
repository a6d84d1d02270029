"""Logs: readable lines on the console, JSON lines beside the scan they are about.

A line that names a scan and a stage also goes to `<scan>/logs/<stage>_<timestamp>-<host>-<pid>.jsonl`: one file
a process, because appending from several machines to one file is not safe on network storage.
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

from checkpointing.errors import InputError
from checkpointing.identity import process_name
from checkpointing.regular_files import open_regular
from worker.scan import ScanFolder

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor


class ScanLogFiles:
    """A structlog processor that appends each line about a stage to that scan's log.

    Args:
        root: the storage root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = cache(self._make_path)
        # The last one written to stays open: most lines go where the one before went.
        self._open: tuple[Path, int] | None = None
        self._lock = threading.Lock()

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        """Write the line; pass it on unchanged. A log that cannot be written never stops a page."""
        if "scan_id" in event and "stage" in event:
            line = {**event, "message": event["event"], "worker": process_name()}
            del line["event"]
            with suppress(OSError, InputError):
                path = self._path(event["scan_id"], event["stage"], os.getpid())
                self._append(path, json.dumps(line, default=str).encode() + b"\n")
        return event

    def close(self) -> None:
        """Close the file that is open. The next line opens one."""
        with self._lock:
            if self._open is not None:
                os.close(self._open[1])
                self._open = None

    def _append(self, path: Path, line: bytes) -> None:
        with self._lock:
            if self._open is None or self._open[0] != path:
                self._reopen(path)
            if self._open is not None:
                os.write(self._open[1], line)

    def _reopen(self, path: Path) -> None:
        if self._open is not None:
            os.close(self._open[1])
            self._open = None
        path.parent.mkdir(exist_ok=True)
        self._open = path, open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def _make_path(self, scan_id: str, stage: str, pid: int) -> Path:
        """Where the lines of a process about a stage go, looked up once.

        Raises:
            InputError: there is no such scan or stage: a message may be forged, and a log quotes it.
        """
        scan = ScanFolder(self._root, scan_id)
        if not stage.isidentifier() or not scan.metadata_path.is_file():
            raise InputError(f"there is no {scan_id}/{stage} to log for")
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        return scan.logs_dir / f"{stage}_{stamp}-{socket.gethostname()}-{pid}.jsonl"


def note_for_scan(root: Path, scan_id: str, stage: str, message: str, **fields: Any) -> None:
    """Write one line into a scan's log, from a process that logs nothing else. Never fails.

    Args:
        root: the storage root.
        scan_id: the scan that it is about.
        stage: likewise.
        message: what happened.
        fields: whatever else is to be known.
    """
    files = ScanLogFiles(root)
    stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    event = {**fields, "scan_id": scan_id, "stage": stage, "level": "info", "event": message, "timestamp": stamp}
    files(None, "info", event)
    files.close()


def _renderer() -> Processor:
    """For a person at a terminal; elsewhere a form that programs read as well, made in a tenth of the time."""
    import structlog

    if sys.stderr.isatty():
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])


def configure_logs(level: str, root: Path | None = None) -> None:
    """Set up structlog and the standard library's logging for this process.

    Args:
        level: least level that is logged: `DEBUG`, `INFO`, `WARNING` or `ERROR`.
        root: storage root for the JSON lines; None writes none.
    """
    import structlog

    number = logging.getLevelNamesMapping()[level]
    logging.basicConfig(
        stream=sys.stderr, level=number, format="%(asctime)s %(levelname)-8s %(message)s", force=True
    )
    # Its report that a task was received says what the line of the page says better.
    logging.getLogger("celery.worker.strategy").setLevel(max(number, logging.WARNING))
    logging.getLogger("celery.app.trace").setLevel(max(number, logging.WARNING))
    files: list[Processor] = [ScanLogFiles(root)] if root is not None else []
    structlog.configure(
        processors=[
            # What a line is about, where the code that logs it does not know: a client of a model knows no page.
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *files,
            _renderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
