"""Waits until stages end, for `--wait` and `producer run`, and turns how they ended into an exit code."""

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
from producer.watch.follow import follow_plans
from producer.watch.screen import VIEW_HINT
from worker.deployment import Deployment


def wait_for(deployment: Deployment, plans: list[Plan], *, allow_doubtful: bool = False) -> None:
    """Show progress until the pages of plans, in pipeline order, are complete or in quarantine.

    Raises:
        DoubtfulPagesError: complete pages are doubtful, and `allow_doubtful` is not set.
        StageFailedError: a stage ended with pages in quarantine.
        StagePausedError: a stage is paused.
        typer.Exit: the user pressed Ctrl-C.
    """
    try:
        with interruptible():
            checkpoints = follow_plans(deployment, plans, notes, VIEW_HINT)
    except KeyboardInterrupt:
        again = watch_again(plans, allow_doubtful=allow_doubtful)
        notes.print(f"Stopped watching; the workers keep running. To watch again: {again}")
        raise typer.Exit(INTERRUPTED) from None
    for checkpoint in checkpoints:
        for line in doubt_lines(checkpoint.doubtful_pages):
            notes.print(f"{checkpoint.ref}: {line}")
    check_success(checkpoints, allow_doubtful=allow_doubtful)


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
