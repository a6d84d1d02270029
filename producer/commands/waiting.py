"""Waiting for a stage to end, as `--wait` and `producer run` do."""

from collections.abc import Callable

import typer

from checkpointing.errors import StageFailedError
from checkpointing.models import Checkpoint, Status
from producer.console import notes
from producer.enqueue import Plan
from producer.follow import follow, progress_view
from producer.run import interruptible
from producer.stall import StallWatch
from worker.workshop import Workshop

INTERRUPTED = 130


def wait_for(workshop: Workshop, made: Plan) -> None:
    """Show progress until the pages of a plan are settled.

    Raises:
        StageFailedError: the stage ended with pages in quarantine.
        typer.Exit: the person who watched has seen enough.
    """
    try:
        with interruptible():
            checkpoint = follow_plan(workshop, made, StallWatch(workshop.count_workers, notes).look)
    except KeyboardInterrupt:
        notes.print(f"Stopped watching; the workers go on. To watch again: producer enqueue {made.scan_id} --wait")
        raise typer.Exit(INTERRUPTED) from None
    insist_on_success(checkpoint)


def follow_plan(workshop: Workshop, made: Plan, on_poll: Callable[[], object]) -> Checkpoint:
    """Show progress until the pages of a plan are settled; returns the checkpoint as it then stands."""
    file = workshop.checkpoint_file(made.scan_id, made.stage)
    with progress_view(notes, f"{made.scan_id}/{made.stage}") as view:
        return follow(file, frozenset(made.wanted), view, on_poll)


def insist_on_success(checkpoint: Checkpoint) -> None:
    """End with the exit code of a failed stage, if it is one.

    Raises:
        StageFailedError: it did.
    """
    if checkpoint.status is Status.FAILED:
        raise StageFailedError(
            f"{checkpoint.scan_id}/{checkpoint.stage}: {checkpoint.error}; "
            f"`producer status {checkpoint.scan_id}` gives the reasons"
        )
