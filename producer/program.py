"""What all commands share: the names of the program, its exit codes, and what to close at its end."""

import sys
from contextlib import ExitStack
from pathlib import Path

PROGRAMS = ("producer", "leafmark")
"""The names under which the command is installed; the first one is shown in documents."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it for SIGINT."""

opened = ExitStack()
"""What a command has opened: the command line closes it at the end, also after an error."""


def program_name() -> str:
    """Return the name that the program was started by."""
    name = Path(sys.argv[0]).name
    return name if name in PROGRAMS else PROGRAMS[0]
