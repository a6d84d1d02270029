"""Reading a scan's logs: many files, one a process, merged by time without holding more than a little of each.

A log is written to while it is read. What ends in mid-line is looked at again, and files that have come are found;
no file is kept open, because a book that took a thousand processes has a thousand.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from checkpointing.regular_files import open_regular_file
from producer.logs.log_lines import LogLine, parse_line

_CHUNK_BYTES = 16 * 1024
# Far longer than any of ours.
_MOST_BYTES = 1024 * 1024


@dataclass(slots=True)
class _Place:
    """How far a file has been read.

    Attributes:
        offset: of the first byte that was not made a line of, in bytes.
        passing_over: whether that is in the middle of a line that is too long.
    """

    offset: int = 0
    passing_over: bool = False


class LogFiles:
    """The logs of one scan, from the beginning on.

    Args:
        folder: `<scan>/logs`; need not be there yet.
        stage: only its files; None for all.
        since: files that were not written to from then on are left alone.

    """

    def __init__(self, folder: Path, stage: str | None = None, since: datetime | None = None) -> None:
        self._folder = folder
        self._pattern = f"{stage or '*'}_*.jsonl"
        self._since = 0.0 if since is None else since.timestamp()
        self._places: dict[Path, _Place] = {}
        self._passed_over = 0
        self._unreadable: dict[Path, OSError] = {}

    def new_lines(self) -> Iterator[LogLine]:
        """The lines that have come since the last time, by time; those of one file in the order they stand in.

        Raises:
            OSError: the folder cannot be read.
        """
        return heapq.merge(*[self._lines_of(path) for path in self._written_to()])

    def problems(self, *, ended: bool) -> list[str]:
        """What could not be read so far, each in a line for a person.

        Args:
            ended: whether half a line at the end of a file is one of them; not while it may yet be written.
        """
        unread = [f"{path.name} cannot be read: {error.strerror}" for path, error in self._unreadable.items()]
        whole = (path for path in self._places if path not in self._unreadable)
        torn = sum(_size(path) > self._places[path].offset for path in whole) if ended else 0
        count = self._passed_over + torn
        lines = "1 line was" if count == 1 else f"{count} lines were"
        return [*unread, *([f"{lines} passed over: torn, or not Leafmark's"] if count else [])]

    def _written_to(self) -> list[Path]:
        """The files that hold something new."""
        found = []
        for path in sorted(self._folder.glob(self._pattern)):
            place = self._places.get(path)
            if place is None and _is_since(path, self._since):
                place = self._places[path] = _Place()
            if place is None or (size := _size(path)) == place.offset:
                continue
            if size < place.offset:
                # Somebody has emptied it.
                self._places[path] = _Place()
            found.append(path)
        return found

    def _lines_of(self, path: Path) -> Iterator[LogLine]:
        place = self._places[path]
        for raw in self._whole_lines(path, place):
            line = parse_line(raw) if raw is not None else None
            if line is None:
                self._passed_over += 1
            else:
                yield line

    def _whole_lines(self, path: Path, place: _Place) -> Iterator[bytes | None]:
        """The lines from a place on that are whole, without their ends; None for one that is too long."""
        rest = b""
        while chunk := self._chunk(path, place.offset + len(rest)):
            *ended, rest = (rest + chunk).split(b"\n")
            for raw in ended:
                place.offset += len(raw) + 1
                was_passing_over, place.passing_over = place.passing_over, False
                if not was_passing_over:
                    yield raw
            if len(rest) > _MOST_BYTES:
                place.offset += len(rest)
                rest = b""
                if not place.passing_over:
                    place.passing_over = True
                    yield None

    def _chunk(self, path: Path, offset: int) -> bytes:
        """Some bytes of a file; none at its end, and none of one that cannot be read."""
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
    """Whether it is a file, and was written to from a moment on, in seconds since 1970."""
    try:
        return path.is_file() and path.stat().st_mtime >= seconds
    except OSError:
        return False
