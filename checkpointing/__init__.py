"""Checkpoints of a scanned book: which pages are complete, what they cost, what failed.

A library of its own: `CheckpointManager` for a stage that runs in one process, the coordinator for many workers.
"""

from checkpointing.manager import CheckpointManager
from checkpointing.models import Checkpoint, Status
from checkpointing.outputs import OutputSchema

__all__ = ["Checkpoint", "CheckpointManager", "OutputSchema", "Status"]
