"""What happened in a run: every attempt, every version of an output, every fault."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LAST_BYTES = 1000

Page = tuple[str, int]
"""Scan id and page."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A run of the stage on a page; `end` is None where the process did not reach the end."""

    page: Page
    pid: int
    begin: float
    end: float | None = None


@dataclass(slots=True)
class Version:
    """One version of an output file, as the observer saw it.

    Attributes:
        since: when the file was renamed to its place, by its ctime.
        last_seen: time of the last look that found it.
        gone_by: time of the first look that did not find it; None while it is there.
        valid: whether it is what the stage writes for that page.
    """

    page: Page
    since: float
    last_seen: float
    valid: bool
    gone_by: float | None = None


@dataclass(frozen=True, slots=True)
class Disappearance:
    """A page that was complete in one read of the checkpoint and not in a later one."""

    page: Page
    last_complete: float
    seen: float


@dataclass(slots=True)
class FaultRecord:
    """A fault as it happened.

    Attributes:
        until: when it was over; equal to `time` for a momentary fault.
        pids: the processes that it hit.
        pages: the pages that it hit.
        met: whether it found something to hit.
    """

    kind: str
    variant: str
    time: float
    until: float
    pids: tuple[int, ...] = ()
    pages: tuple[Page, ...] = ()
    met: bool = True


@dataclass
class History:
    """Everything that the verdict is made from."""

    attempts: list[Attempt] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    faults: list[FaultRecord] = field(default_factory=list)
    disappearances: list[Disappearance] = field(default_factory=list)


class Log:
    """JSON lines in a file, each with its time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()

    def write(self, event: str, **facts: Any) -> None:
        with self._lock:
            self._file.write(json.dumps({"time": time.time(), "event": event, **facts}) + "\n")

    def close(self) -> None:
        self._file.close()


def read_attempts(journal: Path) -> list[Attempt]:
    """Return the attempts in the journal of tests/support/workload.py, in order of their beginning."""
    lines = [json.loads(line) for path in journal.glob("*.jsonl") for line in path.read_text().splitlines()]
    return sorted(_pair(lines), key=lambda attempt: attempt.begin)


def busy_pids(journal: Path, pids: Iterable[int]) -> set[int]:
    """Return those of the processes that have a page in hand, by the ends of their journals."""
    return {pid for pid in pids if any(attempt.end is None for attempt in _last_attempts(journal / f"{pid}.jsonl"))}


def _last_attempts(path: Path) -> list[Attempt]:
    try:
        raw = path.read_bytes()[-_LAST_BYTES:]
    except FileNotFoundError:
        return []
    # The cut may leave half a line, or an end without its beginning; neither is a page in hand.
    lines = [json.loads(line) for line in raw.splitlines() if line.startswith(b"{")]
    return list(_pair(lines))


def _pair(lines: Iterable[dict[str, Any]]) -> Iterable[Attempt]:
    """Yield attempts: each begin with the end that follows it in the same process, if there is one."""
    of_page: dict[tuple[int, Page], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        of_page[line["pid"], (line["scan_id"], line["page"])].append(line)
    for (pid, page), events in of_page.items():
        open_since: float | None = None
        for event in sorted(events, key=lambda each: each["time"]):
            if event["event"] == "end":
                if open_since is not None:
                    yield Attempt(page, pid, open_since, event["time"])
                open_since = None
                continue
            if open_since is not None:
                yield Attempt(page, pid, open_since)
            open_since = event["time"]
        if open_since is not None:
            yield Attempt(page, pid, open_since)
