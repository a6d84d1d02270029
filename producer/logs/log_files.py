"""Read and follow the logs of a scan: one file for each process, merged by time without loading whole files.

Logs are written while they are read: an incomplete last line is read again later, and new files are found. No file
is kept open, because a book that took a thousand processes has a thousand files.
"""

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from checkpointing.errors import CheckpointError
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from checkpointing.regular_files import open_regular_file
from checkpointing.status import Status
from producer.logs.log_lines import LineFilter, LogLine, parse_line
from worker.storage.book_store import BookStore

_POLL_SECONDS = 0.25

_CHUNK_BYTES = 16 * 1024
# Far longer than any line that Leafmark writes.
_MAX_LINE_BYTES = 1024 * 1024


@dataclass(slots=True)
class _Place:
    """How far a file has been read.

    Attributes:
        offset: of the first byte after the last line that was read.
        skipping: whether the offset is inside a line that is too long.
    """

    offset: int = 0
    skipping: bool = False


class LogFiles:
    """The logs of one scan, read from the beginning.

    Args:
        folder: `<scan>/logs`; need not exist yet.
        stage: read only the files of this stage; None for all.
        since: skip files that were last written before.
    """

    def __init__(self, folder: Path, stage: str | None = None, since: datetime | None = None) -> None:
        self._folder = folder
        self._pattern = f"{stage or '*'}_*.jsonl"
        self._since = 0.0 if since is None else since.timestamp()
        self._places: dict[Path, _Place] = {}
        self._skipped = 0
        self._unreadable: dict[Path, OSError] = {}

    def new_lines(self) -> Iterator[LogLine]:
        """Yield the lines written since the last call, by time; lines of one file keep their order.

        Raises:
            OSError: the folder cannot be read.
        """
        return heapq.merge(*[self._lines_of(path) for path in self._written_to()])

    def problems(self, *, ended: bool) -> list[str]:
        """Return one line for each kind of problem so far: files that cannot be read, and skipped lines.

        Args:
            ended: whether to count incomplete last lines; false while they may still be completed.
        """
        unread = [f"{path.name} cannot be read: {error.strerror}" for path, error in self._unreadable.items()]
        whole = (path for path in self._places if path not in self._unreadable)
        torn = sum(_size(path) > self._places[path].offset for path in whole) if ended else 0
        count = self._skipped + torn
        skipped = counted(count, "line was", "lines were")
        return [*unread, *([f"{skipped} skipped: incomplete, or not written by Leafmark"] if count else [])]

    def _written_to(self) -> list[Path]:
        """Return the files that have grown or are new."""
        found = []
        for path in sorted(self._folder.glob(self._pattern)):
            place = self._places.get(path)
            if place is None and _is_since(path, self._since):
                place = self._places[path] = _Place()
            if place is None or (size := _size(path)) == place.offset:
                continue
            if size < place.offset:
                # The file was truncated, for example by log rotation.
                self._places[path] = _Place()
            found.append(path)
        return found

    def _lines_of(self, path: Path) -> Iterator[LogLine]:
        place = self._places[path]
        for raw in self._whole_lines(path, place):
            line = parse_line(raw) if raw is not None else None
            if line is None:
                self._skipped += 1
            else:
                yield line

    def _whole_lines(self, path: Path, place: _Place) -> Iterator[bytes | None]:
        """Yield the complete lines after a place, without line ends; None for a line that is too long."""
        rest = b""
        while chunk := self._chunk(path, place.offset + len(rest)):
            *ended, rest = (rest + chunk).split(b"\n")
            for raw in ended:
                place.offset += len(raw) + 1
                was_skipping, place.skipping = place.skipping, False
                if not was_skipping:
                    yield raw
            if len(rest) > _MAX_LINE_BYTES:
                place.offset += len(rest)
                rest = b""
                if not place.skipping:
                    place.skipping = True
                    yield None

    def _chunk(self, path: Path, offset: int) -> bytes:
        """Return some bytes of a file; none at its end or if it cannot be read."""
        try:
            with open_regular_file(path) as file:
                file.seek(offset)
                return file.read(_CHUNK_BYTES)
        except FileNotFoundError:
            return b""
        except OSError as error:
            self._unreadable[path] = error
            return b""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _is_since(path: Path, seconds: float) -> bool:
    """Return whether a path is a file that was written at or after a time, in seconds since 1970."""
    try:
        return path.is_file() and path.stat().st_mtime >= seconds
    except OSError:
        return False


def show_new(files: LogFiles, wanted: LineFilter, show: Callable[[LogLine], object]) -> int:
    """Show the selected lines written since the last call, and return their number.

    Raises:
        OSError: the folder cannot be read, or a line cannot be shown.
    """
    count = 0
    for line in files.new_lines():
        if line in wanted:
            show(line)
            count += 1
    return count


def follow_lines(
    files: LogFiles,
    wanted: LineFilter,
    show: Callable[[LogLine], object],
    is_done: Callable[[], bool],
    flush: Callable[[], object],
) -> None:
    """Show existing lines and new ones until the work is done.

    Once `is_done` returns true, lines are read one last time, because the line about the end may have been written
    in between.

    Raises:
        OSError: from `show_new`.
    """
    done = False
    while True:
        was_done, done = done, is_done()
        show_new(files, wanted, show)
        flush()
        if was_done:
            return
        time.sleep(_POLL_SECONDS)


def nothing_is_left(store: BookStore, scan_id: str, stages: Sequence[str]) -> bool:
    """Return whether no stage has work under way. A paused stage does not count: it waits for a person."""
    return not any(_is_under_way(store, StageRef(scan_id, name)) for name in stages)


def _is_under_way(store: BookStore, ref: StageRef) -> bool:
    if not store.open_stages.is_open(ref):
        return False
    try:
        checkpoint = store.checkpoint_file(ref).read()
    except (CheckpointError, OSError):
        # The file is being rebuilt, or the storage is unavailable for a moment.
        return True
    return bool(checkpoint.pending()) and checkpoint.status is not Status.PAUSED
