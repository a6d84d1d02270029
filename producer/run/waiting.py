"""Waits until stages end, for `--wait` and `producer run`, and turns how they ended into an exit code."""

from collections.abc import Callable

import typer

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import DoubtfulPagesError, StageFailedError, StagePausedError
from checkpointing.status import Status
from producer.planning.request import Plan
from producer.program import INTERRUPTED
from producer.run.command_lines import watch_again
from producer.run.interrupts import interruptible
from producer.status.doubtful_pages import doubt_lines
from producer.terminal.console import notes
from producer.watch.follow import MissingWorkerNotice, follow, view_of_plans
from producer.watch.plain_output import CheckpointLines
from producer.watch.screen import has_screen
from worker.deployment import Deployment

VIEW_HINT = "Ctrl-C closes this view; the workers keep running."


def wait_for(deployment: Deployment, plans: list[Plan], *, allow_doubtful: bool = False) -> None:
    """Show progress until the pages of plans are complete or in quarantine.

    Args:
        deployment: the deployment.
        plans: in pipeline order.
        allow_doubtful: whether doubtful pages are no error.

    Raises:
        DoubtfulPagesError: complete pages are doubtful, and `allow_doubtful` is not set.
        StageFailedError: a stage ended with pages in quarantine.
        StagePausedError: a stage is paused.
        typer.Exit: the user pressed Ctrl-C.
    """
    try:
        with interruptible():
            # The live view shows the workers; plain lines do not.
            on_poll = bool if has_screen(notes) else MissingWorkerNotice(deployment.workers.count, notes).check
            checkpoints = follow_plans(deployment, plans, on_poll, VIEW_HINT)
    except KeyboardInterrupt:
        again = watch_again(plans, allow_doubtful=allow_doubtful)
        notes.print(f"Stopped watching; the workers keep running. To watch again: {again}")
        raise typer.Exit(INTERRUPTED) from None
    for checkpoint in checkpoints:
        for line in doubt_lines(checkpoint.doubtful_pages):
            notes.print(f"{checkpoint.ref}: {line}")
    check_success(checkpoints, allow_doubtful=allow_doubtful)


def follow_plans(
    deployment: Deployment, plans: list[Plan], on_poll: Callable[[], object], hint: str
) -> list[Checkpoint]:
    """Show progress, stage by stage, until the pages of each plan are complete or in quarantine, or it is paused.

    Args:
        deployment: the deployment.
        plans: in pipeline order.
        on_poll: called several times a second; may raise to end the wait.
        hint: line of the live view that says what Ctrl-C does.

    Returns:
        The checkpoints at the end; without the stages of a book that come after a paused one.
    """
    checkpoints: list[Checkpoint] = []
    paused: set[str] = set()
    with view_of_plans(deployment, plans, notes, hint) as view:
        for made in plans:
            if made.scan_id in paused:
                continue
            file = deployment.store.checkpoint_file(made.ref)
            checkpoints.append(follow(file, frozenset(made.wanted), view, on_poll))
            if checkpoints[-1].status is Status.PAUSED:
                paused.add(made.scan_id)
    if not isinstance(view, CheckpointLines):
        # The live view is gone; the last state stays on the terminal.
        for checkpoint in checkpoints:
            CheckpointLines(notes).show(checkpoint)
    return checkpoints


def check_success(checkpoints: list[Checkpoint], *, allow_doubtful: bool = False) -> None:
    """Raise the error of the first paused stage, or else of the first failed one, or else of doubtful pages.

    Doubtful pages are an error by default, so that a script does not continue with pages that were not read.

    Raises:
        DoubtfulPagesError: complete pages are doubtful, and `allow_doubtful` is not set.
        StageFailedError: a stage failed.
        StagePausedError: a stage is paused.
    """
    for checkpoint in checkpoints:
        if checkpoint.status is Status.PAUSED:
            raise StagePausedError(f"{checkpoint.ref} is paused: {checkpoint.error}")
    for checkpoint in checkpoints:
        if checkpoint.status is Status.FAILED:
            raise StageFailedError(
                f"{checkpoint.ref}: {checkpoint.error}",
                hint=f"`producer status {checkpoint.scan_id}` shows the reasons",
            )
    doubtful = [checkpoint for checkpoint in checkpoints if checkpoint.doubtful_pages]
    if doubtful and not allow_doubtful:
        doubts = [f"{each.ref}: {line}" for each in doubtful for line in doubt_lines(each.doubtful_pages)]
        report = f"producer report {doubtful[0].scan_id}"
        raise DoubtfulPagesError("; ".join(doubts), hint=f"`{report}` shows these pages beside their text")
