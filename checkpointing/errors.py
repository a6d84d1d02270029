"""All errors that Leafmark raises on purpose.

`message` is what is wrong, `hint` what to do; `str(error)` is both on one line. `exit_code` is the exit code of a
command that fails with the error.
"""

from decimal import Decimal


class LeafmarkError(Exception):
    """The base class of all errors; never raised itself."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        self.hint = hint


class InputError(LeafmarkError):
    """The input cannot be used: no such file, not a PDF, an invalid scan id."""

    exit_code = 3


class UnknownNameError(LeafmarkError):
    """A scan, a stage or a page that does not exist."""

    exit_code = 4


class StorageError(LeafmarkError):
    """The shared storage is missing, read-only, full or failing."""

    exit_code = 5


class BrokerError(LeafmarkError):
    """Redis cannot be reached, or refuses."""

    exit_code = 6


class SettingsError(LeafmarkError):
    """A setting has a value that is not allowed, or something it needs is not installed."""

    exit_code = 7


class StageFailedError(LeafmarkError):
    """A stage ended with pages in quarantine."""

    exit_code = 8


class StagePausedError(LeafmarkError):
    """A stage waits for a person: its budget is reached, a provider refuses, or a worker lacks an engine.

    Attributes:
        budget_usd: the budget that was reached, in USD; None where the stage waits for something else.
    """

    exit_code = 11
    budget_usd: Decimal | None = None


class CheckpointError(LeafmarkError):
    """A checkpoint cannot be read or written: it is corrupt, or another process holds it for too long."""

    exit_code = 9


class InvariantError(LeafmarkError):
    """An invariant would have been broken: a bug in Leafmark. Nothing was written."""


class PageOutputError(CheckpointError):
    """A page cannot be marked complete or used: its output is missing or invalid."""


class DifferencesError(LeafmarkError):
    """Outputs, checkpoint or source differ from what was recorded: `producer verify` has listed how."""

    exit_code = 10


class DoctorError(LeafmarkError):
    """`producer doctor` found problems: it has listed them, with what to do."""

    exit_code = 12


class DoubtfulPagesError(LeafmarkError):
    """Every page is complete, some are doubtful, and `--allow-doubtful` was not given."""

    exit_code = 13


class CommandLineError(LeafmarkError):
    """The command line is wrong: an option has an invalid value, or two options contradict each other."""

    exit_code = 2


class NotConfirmedError(LeafmarkError):
    """A command asked for confirmation, and did not get it, or had no terminal to ask on."""

    exit_code = 2


class InUseError(LeafmarkError):
    """Workers of another deployment, with another Redis or key prefix, use the storage root."""

    exit_code = 14


class NotMeasuredError(LeafmarkError):
    """Pages whose text is known could not be measured, because they are not complete."""

    exit_code = 15


class PageError(LeafmarkError):
    """A page that cannot be processed as it is: another attempt would give the same result.

    Attributes:
        kind: a short machine-readable reason, such as `unreadable_image` or `too_large`.
    """

    def __init__(self, kind: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


def in_one_line(text: str, most: int = 500) -> str:
    """Return the text on one line, cut after `most` characters, for messages that quote other errors."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
