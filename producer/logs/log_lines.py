"""Parse, select and format the lines of a scan's logs.

Any program may have written to the log folder: a line that Leafmark has not written is skipped.
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
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SHORT_RUN = 8
_RUN = re.compile(r"[0-9a-f]{4,32}")
_NOT_PLAIN = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True, order=True)
class LogLine:
    """One line.

    Attributes:
        timestamp: when it was written, in local time.
        level: one of `LEVELS`, or another text from the file.
        page: the page that the line is about; None without one.
        parts: the other fields, by name.
        raw: the bytes of the file.
    """

    timestamp: datetime
    level: str = field(compare=False)
    stage: str = field(compare=False)
    page: int | None = field(compare=False)
    message: str = field(compare=False)
    parts: dict[str, Any] = field(compare=False)
    raw: bytes = field(compare=False)

    def is_of_run(self, start: str) -> bool:
        """Return whether the line is about a run whose trace id begins with `start`."""
        several = self.parts.get("runs")
        runs = [self.parts.get("run"), *(several if isinstance(several, list) else [])]
        return any(isinstance(run, str) and run.startswith(start) for run in runs)


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Which lines to show; None and empty values select all.

    Attributes:
        pages: lines about these pages; empty for all lines, including those about no page.
        run: lines about the run whose trace id begins with this text.
        level: lines of this level and more severe ones.
    """

    stage: str | None = None
    pages: frozenset[int] = frozenset()
    run: str = ""
    level: str = LEVELS[0]
    since: datetime | None = None

    def __contains__(self, line: LogLine) -> bool:
        """Return whether to show a line. An unknown level counts as the most severe."""
        return (
            self.stage in {None, line.stage}
            and (not self.pages or line.page in self.pages)
            and (not self.run or line.is_of_run(self.run))
            and (line.level not in LEVELS or LEVELS.index(line.level) >= LEVELS.index(self.level))
            and (self.since is None or line.timestamp >= self.since)
        )


def parse_line(raw: bytes) -> LogLine | None:
    """Return the parsed line; None if it is incomplete or not a log line."""
    try:
        fields = json.loads(raw.decode())
        page = fields.get("page")
        return LogLine(
            # Converted here, because local time does not exist for extreme dates: such a line is skipped.
            datetime.fromisoformat(fields["timestamp"]).astimezone(),
            _text(fields.get("level", "")),
            _text(fields.get("stage", "")),
            page if isinstance(page, int) else None,
            _text(fields["message"]),
            {name: value for name, value in fields.items() if name not in _KNOWN},
            raw,
        )
    except (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError):
        return None


def as_line(line: LogLine, style: Callable[[str, str], str] = lambda text, _level: text) -> str:
    """Return a line for people: local time, level, stage, page, message, and the other fields as `name=value`.

    Control characters are escaped: a terminal obeys nothing in the line. `style` adds the colour of a level.
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
    """Return a line for programs: the JSON of the file in ASCII, so that a terminal obeys nothing in it."""
    # JSON allows other characters only in strings, where they can be escaped, and whitespace between tokens.
    return _NOT_PLAIN.sub(_escaped, line.raw.decode())


def visible(text: str) -> str:
    """Return a text with its control characters escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def parse_since(text: str, now: datetime) -> datetime:
    """Return the time of `--since`: `10m` (or s, h, d) before now, or a date and time, local without a time zone.

    Raises:
        CommandLineError: the text has neither form.
    """
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise CommandLineError(
            f"--since {visible(text)} is not a time",
            hint="use a duration like 30s, 10m, 2h or 1d, or a date and time like 2026-11-24T21:00",
        ) from None


def parse_level(text: str) -> str:
    """Return the level of `--level`, in lower case.

    Raises:
        CommandLineError: there is no such level.
    """
    if text.lower() not in LEVELS:
        raise CommandLineError(f"--level {visible(text)} is not a level", hint=f"use {', '.join(LEVELS)}")
    return text.lower()


def parse_run(text: str) -> str:
    """Return the trace id of `--run`, or its beginning, in lower case.

    Raises:
        CommandLineError: the text cannot be the beginning of a trace id.
    """
    if not _RUN.fullmatch(text.lower()):
        raise CommandLineError(
            f"--run {visible(text)} is not the id of a run", hint="use the id, or at least its first 4 digits"
        )
    return text.lower()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
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
    # A value with a space is quoted, so that its end is visible.
    return json.dumps(shown, ensure_ascii=False) if " " in shown or not shown else shown


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    return " " if char in "\t\r" else json.dumps(char)[1:-1]
