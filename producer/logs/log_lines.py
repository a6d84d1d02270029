"""The lines of a scan's logs: what is one, and which of them somebody wants to see.

A log is data, and anybody may have written to the folder: what is no line of Leafmark's is passed over.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from checkpointing.errors import CommandLineError

LEVELS = ("debug", "info", "warning", "error", "critical")
_KNOWN = {"timestamp", "level", "stage", "page", "message", "scan_id"}
_AGO = re.compile(r"(\d{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHORT_RUN = 8
_RUN = re.compile(r"[0-9a-f]{4,32}")
_PLAIN = re.compile(r"[ -~]*")
_NOT_PLAIN = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True, order=True)
class LogLine:
    """One line.

    Attributes:
        timestamp: when it was written, with its zone, the local one.
        level: one of `LEVELS`, or what else somebody wrote.
        stage: that it is about.
        page: likewise; None for a line that is about none.
        message: what happened.
        parts: whatever else the line says, by name.
        raw: as it stood in the file.
    """

    timestamp: datetime
    level: str = field(compare=False)
    stage: str = field(compare=False)
    page: int | None = field(compare=False)
    message: str = field(compare=False)
    parts: dict[str, Any] = field(compare=False)
    raw: bytes = field(compare=False)

    def is_of_run(self, start: str) -> bool:
        """Whether it is about a run whose trace id begins so."""
        several = self.parts.get("runs")
        runs = [self.parts.get("run"), *(several if isinstance(several, list) else [])]
        return any(isinstance(run, str) and run.startswith(start) for run in runs)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are wanted; None and empty for all.

    Attributes:
        stage: only this one's.
        pages: only those of these; empty for all, also lines about no page.
        run: only those of the run whose trace id begins so.
        level: those of this level, and worse ones.
        since: those from then on.
    """

    stage: str | None = None
    pages: frozenset[int] = frozenset()
    run: str = ""
    level: str = LEVELS[0]
    since: datetime | None = None

    def __contains__(self, line: LogLine) -> bool:
        """Whether a line is among them. A level that nobody knows is taken for the worst."""
        return (
            self.stage in {None, line.stage}
            and (not self.pages or line.page in self.pages)
            and (not self.run or line.is_of_run(self.run))
            and (line.level not in LEVELS or LEVELS.index(line.level) >= LEVELS.index(self.level))
            and (self.since is None or line.timestamp >= self.since)
        )


def parse_line(raw: bytes) -> LogLine | None:
    """What a line says; None for one that is torn, or no line of a log."""
    try:
        said = json.loads(raw.decode())
        page = said.get("page")
        return LogLine(
            # Local time, as it is shown: of a moment that has none, such as the first of all, it is known at once.
            datetime.fromisoformat(said["timestamp"]).astimezone(),
            _text(said.get("level", "")),
            _text(said.get("stage", "")),
            page if isinstance(page, int) else None,
            _text(said["message"]),
            {name: value for name, value in said.items() if name not in _KNOWN},
            raw,
        )
    except (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError):
        return None


def as_line(line: LogLine, style: Callable[[str, str], str] = lambda text, _level: text) -> str:
    """A line for a person: local time, level, stage, page, message, and the rest as `name=value`.

    Nothing in it is obeyed by a terminal, whatever the log says.

    Args:
        line: which.
        style: makes a text look like a level.
    """
    moment = line.timestamp
    level = f"{visible(line.level):<7}"
    head = [
        f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}",
        style(level, line.level),
        visible(line.stage),
        *([] if line.page is None else [f"page {line.page}"]),
        style(visible(line.message), line.level),
    ]
    rest = [f"{visible(name)}={_value(name, value)}" for name, value in line.parts.items()]
    return "  ".join([*head, *([" ".join(rest)] if rest else [])])


def as_json_line(line: LogLine) -> str:
    """A line for a program: the JSON that stood in the file, in ASCII, so that a terminal obeys nothing in it."""
    text = line.raw.decode()
    # In JSON what is no printable ASCII stands in texts only, where it may be spelt out; tabs only between parts.
    return text if _PLAIN.fullmatch(text) else _NOT_PLAIN.sub(_spelt_out, text)


def visible(text: str) -> str:
    """A text in which everything can be seen: what a terminal would obey is spelt out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def parse_since(text: str, now: datetime) -> datetime:
    """A moment that somebody named: `10m` (or s, h, d) before now, or a date and time; without a zone, local ones.

    Raises:
        CommandLineError: it is no moment.
    """
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise CommandLineError(
            f"--since {visible(text)}: write how long ago, like 30s, 10m, 2h or 1d, or when, like 2026-11-24T21:00"
        ) from None


def parse_level(text: str) -> str:
    """A level that somebody named, in whatever case.

    Raises:
        CommandLineError: there is no such level.
    """
    if text.lower() not in LEVELS:
        raise CommandLineError(f"--level {visible(text)}: the levels are {', '.join(LEVELS)}")
    return text.lower()


def parse_run(text: str) -> str:
    """The trace id of a run, or its beginning.

    Raises:
        CommandLineError: it is neither.
    """
    if not _RUN.fullmatch(text.lower()):
        raise CommandLineError(f"--run {visible(text)}: write the run's id, or at least its first 4 digits")
    return text.lower()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _value(name: str, value: object) -> str:
    if name == "run" and isinstance(value, str) and _RUN.fullmatch(value):
        return value[:_SHORT_RUN]
    if not isinstance(value, str):
        try:
            return visible(json.dumps(value))
        except RecursionError:
            return "..."
    shown = visible(value)
    # Quotes where one could not tell where it ends.
    return json.dumps(shown, ensure_ascii=False) if " " in shown or not shown else shown


def _spelt_out(found: re.Match[str]) -> str:
    char = found[0]
    return " " if char in "\t\r" else json.dumps(char)[1:-1]
