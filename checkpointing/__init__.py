"""Checkpoints of a scanned book: which pages are complete, what they cost, what failed.

A library that can be used alone: `CheckpointManager` for a stage that runs in one process, the coordinator for many
workers.
"""

from typing import TYPE_CHECKING

from checkpointing.lazy_names import lazy_names

if TYPE_CHECKING:
    from checkpointing.checkpoint import Checkpoint
    from checkpointing.manager import CheckpointManager
    from checkpointing.output_schema import OutputSchema
    from checkpointing.status import Status

__all__ = ["Checkpoint", "CheckpointManager", "OutputSchema", "Status"]

__getattr__ = lazy_names(
    __name__,
    {
        "checkpointing.checkpoint": ["Checkpoint"],
        "checkpointing.manager": ["CheckpointManager"],
        "checkpointing.output_schema": ["OutputSchema"],
        "checkpointing.status": ["Status"],
    },
)
