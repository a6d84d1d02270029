"""Checkpoints of a scanned book: which pages are complete, what they cost, what failed.

A library that can be used alone: `CheckpointManager` for a stage that runs in one process, the coordinator for many
workers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checkpointing.checkpoint import Checkpoint
    from checkpointing.manager import CheckpointManager
    from checkpointing.output_schema import OutputSchema
    from checkpointing.status import Status

__all__ = ["Checkpoint", "CheckpointManager", "OutputSchema", "Status"]

# Imported at first use: a command that needs one small module of this package loads only that one.
_MODULES = {
    "Checkpoint": "checkpointing.checkpoint",
    "CheckpointManager": "checkpointing.manager",
    "OutputSchema": "checkpointing.output_schema",
    "Status": "checkpointing.status",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module (PEP 562).

    Raises:
        AttributeError: the package has no public name like this.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
