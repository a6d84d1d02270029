"""Where commands print: results on stdout, progress and notes on stderr."""

import json
import sys
from typing import Any

from rich.console import Console

# In a pipe nothing is cut to the width of a terminal that is not there.
results = Console(
    soft_wrap=True, highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200
)
notes = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


def terminal_width() -> int | None:
    """Return how many columns results have; None where no terminal shows them."""
    return results.width if results.is_terminal else None


def print_json(form: Any) -> None:
    """Print a result as JSON, for programs."""
    results.print(json.dumps(form, indent=2))
