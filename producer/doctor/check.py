"""The checks of the doctor: what was found, how bad it is, and what to do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from checkpointing.errors import LeafmarkError, in_one_line

_MAX_LETTERS = 1000
_CLOCK_SECONDS = 2.0


class Level(StrEnum):
    """The result of a check."""

    OK = "ok"
    NOTE = "note"
    """Missing, and not needed by anything that was set or enqueued here."""
    WARNING = "warning"
    """Works here and now, but may not always or everywhere."""
    PROBLEM = "problem"
    """Pages are not processed, or their state could be lost."""


class Area(StrEnum):
    """What `--only` can limit the checks to."""

    SETTINGS = "settings"
    STORAGE = "storage"
    LEFTOVERS = "leftovers"
    REDIS = "redis"
    WORKERS = "workers"
    ENGINES = "engines"
    MODELS = "models"


@dataclass(frozen=True, slots=True)
class Check:
    """One check and its result.

    Attributes:
        name: of the check, for scripts: `free_space`.
        what: what was found, in words.
        then: what to do about it; empty where nothing is to be done.
    """

    area: Area
    name: str
    level: Level
    what: str
    then: str = ""

    def line(self) -> str:
        """Return all of it on one line. Text from others is data, and must not control the terminal."""
        then = f"; {self.then}" if self.then else ""
        return f"{self.level.value:8} {in_one_line(f'{self.area.value}: {self.what}{then}', most=_MAX_LETTERS)}"


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes the checks of one area."""

    area: Area

    def ok(self, name: str, what: str) -> Check:
        """Return a check that found no fault."""
        return Check(self.area, name, Level.OK, what)

    def warning(self, name: str, what: str, then: str) -> Check:
        """Return a warning."""
        return Check(self.area, name, Level.WARNING, what, then)

    def problem(self, name: str, what: str, then: str) -> Check:
        """Return a problem."""
        return Check(self.area, name, Level.PROBLEM, what, then)

    def failed(self, name: str, error: LeafmarkError) -> Check:
        """Return the problem that an error describes."""
        return self.problem(name, error.message, error.hint)


def checks_json(checks: Sequence[Check]) -> dict[str, Any]:
    """Return the form that `producer doctor --json` prints."""
    return {
        "problems": count(checks, Level.PROBLEM),
        "warnings": count(checks, Level.WARNING),
        "notes": count(checks, Level.NOTE),
        "checks": [asdict(check) for check in checks],
    }


def count(checks: Sequence[Check], level: Level) -> int:
    """Return the number of checks with this level."""
    return sum(check.level is level for check in checks)


def clock_difference(ahead_seconds: float) -> str:
    """Return how far a clock is from that of this machine, in words; empty if they agree within 2 seconds."""
    if abs(ahead_seconds) <= _CLOCK_SECONDS:
        return ""
    way = "ahead of" if ahead_seconds > 0 else "behind"
    return f"{abs(ahead_seconds):.0f} s {way} the clock of this machine"
