"""Waiting for a stage to end, as `--wait` and `producer run` do."""

from collections.abc import Callable

import typer

from checkpointing.errors import StageFailedError, StagePausedError
from checkpointing.models import Checkpoint, Status
from producer.console import notes
from producer.follow import follow, progress_view
from producer.request import Plan
from producer.run import interruptible
from producer.stall import StallWatch
from worker.workshop import Workshop

INTERRUPTED = 130


def wait_for(workshop: Workshop, plans: list[Plan]) -> None:
    """Show progress until the pages of some plans are settled.

    Raises:
        StageFailedError: a stage ended with pages in quarantine.
        StagePausedError: a stage waits for a person.
        typer.Exit: the person who watched has seen enough.
    """
    try:
        with interruptible():
            checkpoints = follow_plans(workshop, plans, StallWatch(workshop.count_workers, notes).look)
    except KeyboardInterrupt:
        again = f"producer enqueue {plans[0].scan_id} --stage {plans[0].stage} --through {plans[-1].stage} --wait"
        notes.print(f"Stopped watching; the workers go on. To watch again: {again}")
        raise typer.Exit(INTERRUPTED) from None
    insist_on_success(checkpoints)


def follow_plans(workshop: Workshop, plans: list[Plan], on_poll: Callable[[], object]) -> list[Checkpoint]:
    """Show progress, stage by stage, until the pages of each plan are settled, or a stage is paused.

    Returns:
        The checkpoints as they then stand; none of a stage after one that is paused.
    """
    checkpoints: list[Checkpoint] = []
    for made in plans:
        checkpoints.append(follow_plan(workshop, made, on_poll))
        if checkpoints[-1].status is Status.PAUSED:
            break
    return checkpoints


def follow_plan(workshop: Workshop, made: Plan, on_poll: Callable[[], object]) -> Checkpoint:
    """Show progress until the pages of a plan are settled; returns the checkpoint as it then stands."""
    file = workshop.checkpoint_file(made.scan_id, made.stage)
    with progress_view(notes, f"{made.scan_id}/{made.stage}") as view:
        return follow(file, frozenset(made.wanted), view, on_poll)


def insist_on_success(checkpoints: list[Checkpoint]) -> None:
    """End with the exit code of a stage that is paused, or else of the first that failed, if there is one.

    Raises:
        StageFailedError: one failed.
        StagePausedError: one is paused.
    """
    for checkpoint in checkpoints:
        if checkpoint.status is Status.PAUSED:
            raise StagePausedError(f"{checkpoint.scan_id}/{checkpoint.stage} is paused: {checkpoint.error}")
    for checkpoint in checkpoints:
        if checkpoint.status is Status.FAILED:
            raise StageFailedError(
                f"{checkpoint.scan_id}/{checkpoint.stage}: {checkpoint.error}; "
                f"`producer status {checkpoint.scan_id}` gives the reasons"
            )
