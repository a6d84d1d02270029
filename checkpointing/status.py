"""The states of a stage, as checkpoints and `producer status` spell them."""

from enum import StrEnum


class Status(StrEnum):
    """The state of a stage of a scan."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    PARTIAL = "partial"
    """All pages that were asked for are complete; the book has more."""
    COMPLETED = "completed"
    FAILED = "failed"
    """The stage ended with pages in quarantine, or with an error. Completed pages stay complete."""
    PAUSED = "paused"
    """The stage waits for a person: a budget is reached, or a provider refuses. Enqueue goes on from there."""
    CANCELLED = "cancelled"
    """The user cancelled the stage. Completed pages stay complete, and enqueue goes on from there."""
