"""Every error that Leafmark raises on purpose: one small tree.

Each message is one line for a person: what is wrong, and what to do. `exit_code` is what the command line
ends with when the error reaches it.
"""

from decimal import Decimal

EXIT_CODES = {
    0: "done; or nothing to do",
    1: "an error nobody foresaw: please report it with the output of `--debug`",
    2: "the command line is wrong, or a question was not answered with yes",
    3: "the input cannot be used: no such file, not a PDF, encrypted, empty, a bad scan id",
    4: "there is no such scan, stage or page",
    5: "the storage is missing, read-only, full or failing",
    6: "Redis cannot be reached",
    7: "a setting is wrong, or what it asks for is not installed",
    8: "the stage ended with pages in quarantine",
    9: "the checkpoint is held by another process, or cannot be read; or pages are in hand that must not be",
    10: "`producer verify` found differences",
    11: "a stage is paused: its budget is reached, a provider refuses or an engine is missing; it says what to do",
    12: "`producer doctor` found problems",
    13: "every page is complete, and the reading of some is doubtful; 0 with `--allow-doubtful`",
    14: "the storage root is in use by the workers of another deployment; the line names their Redis",
    130: "interrupted; nothing is lost, repeat the command to go on",
}
"""What each exit code of the commands and workers means. docs/reference/exit-codes.md is made of this."""


class LeafmarkError(Exception):
    """The root of the tree; never raised itself."""

    exit_code = 1


class InputError(LeafmarkError):
    """What was handed in cannot be used: no such file, not a PDF, a bad scan id."""

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
        budget_usd: the budget that was reached, in USD; None where it waits for something else.
    """

    exit_code = 11
    budget_usd: Decimal | None = None


class CheckpointError(LeafmarkError):
    """A checkpoint may not be written: a page is not what the call claims, or the file is held too long."""

    exit_code = 9


class InvariantError(LeafmarkError):
    """What always holds was about to be broken: a fault in Leafmark. Nothing was written."""


class PageOutputError(CheckpointError):
    """A page was to be marked complete, but its output is missing or invalid."""


class DifferencesError(LeafmarkError):
    """Outputs, checkpoint or source are not as they should be: `producer verify` has listed how."""

    exit_code = 10


class DoctorError(LeafmarkError):
    """`producer doctor` found problems: it has listed them, with what to do."""

    exit_code = 12


class DoubtfulPagesError(LeafmarkError):
    """Every page is complete, the reading of some is implausible, and `--allow-doubtful` was not given."""

    exit_code = 13


class CommandLineError(LeafmarkError):
    """The command line is wrong: an option has an impossible value, or two of them contradict each other."""

    exit_code = 2


class NotConfirmedError(LeafmarkError):
    """A command that asks first got no yes, or had nobody to ask."""

    exit_code = 2


class InUseError(LeafmarkError):
    """The workers of another deployment, with another Redis or key prefix, are at work on the storage root."""

    exit_code = 14


class PageError(LeafmarkError):
    """A page that will never succeed as it is: trying again gives the same result.

    Attributes:
        kind: a short machine-readable reason, such as `unreadable_image` or `too_large`.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def in_one_line(text: str, most: int = 500) -> str:
    """The text on one line, cut after `most` characters: for records and messages that quote others' errors."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
