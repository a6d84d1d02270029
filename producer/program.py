"""What all commands share: the names of the program, its exit codes, and what to close at its end."""

import sys
from contextlib import ExitStack
from pathlib import Path

PROGRAMS = ("producer", "leafmark")
"""The names under which the command is installed; the first one is shown in documents."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it for SIGINT."""

EXIT_CODES = {
    0: "done; or nothing to do",
    1: "an unexpected error: please report it with the output of `--debug`",
    2: "the command line is wrong, or a question was not answered with yes",
    3: "the input cannot be used: no such file, not a PDF, encrypted, empty, a bad scan id",
    4: "there is no such scan, stage or page",
    5: "the storage is missing, read-only, full or failing",
    6: "Redis cannot be reached",
    7: "a setting is wrong, or what it asks for is not installed",
    8: "the stage ended with pages in quarantine",
    9: "the checkpoint is held by another process, or cannot be read; or workers have pages in hand",
    10: "`producer verify` found differences",
    11: "a stage is paused: its budget is reached, a provider refuses or an engine is missing; it says what to do",
    12: "`producer doctor` found problems",
    13: "every page is complete, and the reading of some is doubtful; 0 with `--allow-doubtful`",
    14: "the storage root is in use by the workers of another deployment; the line names their Redis",
    15: "`producer evaluate` could not measure every page whose text is known; the figures are of the others",
    INTERRUPTED: "interrupted; nothing is lost, repeat the command to go on",
}
"""The meaning of each exit code of commands and workers; docs/reference/exit-codes.md is generated from it."""

opened = ExitStack()
"""What a command has opened: the command line closes it at the end, also after an error."""


def program_name() -> str:
    """Return the name that the program was started by."""
    name = Path(sys.argv[0]).name
    return name if name in PROGRAMS else PROGRAMS[0]
