"""The consoles of the commands: results on stdout, progress and notes on stderr."""

import json
import sys
from typing import Any

from rich.console import Console

# A pipe has no width: nothing is cut there.
results = Console(
    soft_wrap=True, highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200
)
notes = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


def terminal_width() -> int | None:
    """Return the columns of the terminal that shows results; None without a terminal."""
    return results.width if results.is_terminal else None


def print_json(form: Any) -> None:
    """Print a result as JSON, for programs."""
    results.print(json.dumps(form, indent=2))
