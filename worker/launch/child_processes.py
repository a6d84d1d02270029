"""How Leafmark starts Python processes: never with the working directory on their path.

A file that lies there and is named like a module (`worker.py`, `redis.py`) would be run instead of it.
"""

import os
import sys
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path

_OWN_ROOT = Path(__file__).resolve().parents[2]
_OWN_PACKAGE = "worker"


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module with this interpreter, in the environment of `child_environment`."""
    return [sys.executable, "-m", module, *arguments]


def child_environment(**changes: str) -> dict[str, str]:
    """Return the environment of this process with changes, safe for all Python processes below it."""
    return {**os.environ, **safe_path_variables(os.environ), **changes}


def safe_path_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep the working directory off the path of Python processes.

    Entries of PYTHONPATH that are empty or relative lead to the working directory, and are left out.
    Where Python found Leafmark only because it was started in the source tree, the tree is named instead.
    """
    safe = {"PYTHONSAFEPATH": "1"}
    given = environment.get("PYTHONPATH", "").split(os.pathsep)
    entries = [entry for entry in given if Path(entry).is_absolute()]
    if _found_by_working_directory():
        entries.insert(0, str(_OWN_ROOT))
    if entries or "PYTHONPATH" in environment:
        safe["PYTHONPATH"] = os.pathsep.join(entries)
    return safe


def _found_by_working_directory() -> bool:
    """Whether only the entry that Python puts first by itself leads to this package."""
    if sys.flags.safe_path or not sys.path or Path(sys.path[0]).resolve() != _OWN_ROOT:
        return False
    if PathFinder.find_spec(_OWN_PACKAGE, sys.path[1:]) is not None:
        return False
    # An editable install has a finder of its own.
    others = [finder for finder in sys.meta_path if finder is not PathFinder]
    return all(finder.find_spec(_OWN_PACKAGE, None) is None for finder in others)
