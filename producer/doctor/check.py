"""What the doctor says: one check, its result, and what to do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from checkpointing.errors import LeafmarkError, in_one_line

_MAX_LETTERS = 1000
_CLOCK_SECONDS = 2.0


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    """It is missing, and nothing that was set or enqueued here needs it."""
    WARNING = "warning"
    """It works, and will not at all times or everywhere."""
    PROBLEM = "problem"
    """Pages do not get done, or could be lost sight of."""


class Area(StrEnum):
    """What can be looked at by itself, with `--only`."""

    SETTINGS = "settings"
    STORAGE = "storage"
    LEFTOVERS = "leftovers"
    REDIS = "redis"
    WORKERS = "workers"
    ENGINES = "engines"
    MODELS = "models"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

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
        """All of it on one line, for people. What others say of themselves is data, and no terminal's command."""
        then = f"; {self.then}" if self.then else ""
        return f"{self.level.value:8} {in_one_line(f'{self.area.value}: {self.what}{then}', most=_MAX_LETTERS)}"


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes the checks of one area."""

    area: Area

    def ok(self, name: str, what: str) -> Check:
        """It is as it should be."""
        return Check(self.area, name, Level.OK, what)

    def warning(self, name: str, what: str, then: str) -> Check:
        """It works, and yet."""
        return Check(self.area, name, Level.WARNING, what, then)

    def problem(self, name: str, what: str, then: str) -> Check:
        """It does not work."""
        return Check(self.area, name, Level.PROBLEM, what, then)

    def failed(self, name: str, error: LeafmarkError) -> Check:
        """It does not work, as an error says."""
        return self.problem(name, error.message, error.hint)


def checks_json(checks: Sequence[Check]) -> dict[str, Any]:
    """The form that `producer doctor --json` prints."""
    return {
        "problems": count(checks, Level.PROBLEM),
        "warnings": count(checks, Level.WARNING),
        "notes": count(checks, Level.NOTE),
        "checks": [asdict(check) for check in checks],
    }


def count(checks: Sequence[Check], level: Level) -> int:
    """How many checks came out so."""
    return sum(check.level is level for check in checks)


def clock_difference(ahead_seconds: float) -> str:
    """Return how far a clock is from that of this machine, in words; empty if they agree within 2 seconds."""
    if abs(ahead_seconds) <= _CLOCK_SECONDS:
        return ""
    way = "ahead of" if ahead_seconds > 0 else "behind"
    return f"{abs(ahead_seconds):.0f} s {way} the clock of this machine"
