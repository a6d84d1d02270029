"""Checkpoints of a scanned book: which pages are complete, what they cost, what failed.

A library of its own: `CheckpointManager` for a stage that runs in one process, the coordinator for many workers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checkpointing.manager import CheckpointManager
    from checkpointing.models import Checkpoint, Status
    from checkpointing.outputs import OutputSchema

__all__ = ["Checkpoint", "CheckpointManager", "OutputSchema", "Status"]

# Imported when it is first used: a command that needs one small module of this package loads that one alone.
_HOMES = {
    "Checkpoint": "checkpointing.models",
    "CheckpointManager": "checkpointing.manager",
    "OutputSchema": "checkpointing.outputs",
    "Status": "checkpointing.models",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module (PEP 562).

    Raises:
        AttributeError: the package has no public name like this.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
