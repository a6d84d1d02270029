"""Waiting for a stage to end, as `--wait` and `producer run` do."""

from collections.abc import Callable

import typer

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import DoubtfulPagesError, StageFailedError, StagePausedError
from checkpointing.refs import StageRef
from checkpointing.status import Status
from producer.planning.request import Plan
from producer.program import INTERRUPTED
from producer.run.command_lines import watch_again
from producer.run.supervised_run import interruptible
from producer.status.doubtful_pages import doubt_lines
from producer.terminal.console import notes
from producer.watch.follow import MissingWorkerNotice, follow, view_of_plans
from producer.watch.plain_output import CheckpointLines
from producer.watch.screen import has_screen
from worker.deployment import Deployment

VIEW_HINT = "Ctrl-C closes this view; the workers keep running."


def wait_for(deployment: Deployment, plans: list[Plan], *, allow_doubtful: bool = False) -> None:
    """Show progress until the pages of some plans are settled.

    Args:
        deployment: the deployment.
        plans: in pipeline order.
        allow_doubtful: whether doubtful pages end the wait without an error.

    Raises:
        DoubtfulPagesError: without `allow_doubtful`, the reading of complete pages is implausible.
        StageFailedError: a stage ended with pages in quarantine.
        StagePausedError: a stage waits for a person.
        typer.Exit: the person who watched has seen enough.
    """
    try:
        with interruptible():
            # The live view shows who works; lines in a log do not.
            on_poll = bool if has_screen(notes) else MissingWorkerNotice(deployment.workers.count, notes).check
            checkpoints = follow_plans(deployment, plans, on_poll, VIEW_HINT)
    except KeyboardInterrupt:
        again = watch_again(plans, allow_doubtful=allow_doubtful)
        notes.print(f"Stopped watching; the workers keep running. To watch again: {again}")
        raise typer.Exit(INTERRUPTED) from None
    for checkpoint in checkpoints:
        for line in doubt_lines(checkpoint.doubtful_pages):
            notes.print(f"{checkpoint.scan_id}/{checkpoint.stage}: {line}")
    insist_on_success(checkpoints, allow_doubtful=allow_doubtful)


def follow_plans(
    deployment: Deployment, plans: list[Plan], on_poll: Callable[[], object], hint: str
) -> list[Checkpoint]:
    """Show progress until the pages of each plan are settled, stage by stage, or a stage is paused.

    Args:
        deployment: the deployment.
        plans: in pipeline order.
        on_poll: called several times a second; may raise to end the waiting.
        hint: what Ctrl-C does, for the live view.

    Returns:
        The checkpoints as they then stand; none of a stage of the same book after one that is paused.
    """
    checkpoints: list[Checkpoint] = []
    paused: set[str] = set()
    with view_of_plans(deployment, plans, notes, hint) as view:
        for made in plans:
            if made.scan_id in paused:
                continue
            file = deployment.store.checkpoint_file(StageRef(made.scan_id, made.stage))
            checkpoints.append(follow(file, frozenset(made.wanted), view, on_poll))
            if checkpoints[-1].status is Status.PAUSED:
                paused.add(made.scan_id)
    if not isinstance(view, CheckpointLines):
        # The screen is gone; how it ended stays on the terminal.
        for checkpoint in checkpoints:
            CheckpointLines(notes).show(checkpoint)
    return checkpoints


def insist_on_success(checkpoints: list[Checkpoint], *, allow_doubtful: bool = False) -> None:
    """End with the exit code of a stage that is paused, or else of the first that failed, if there is one.

    A doubtful page is complete, and was perhaps not read: a script that goes on after it must ask for that.

    Raises:
        DoubtfulPagesError: nothing failed, and, without `allow_doubtful`, complete pages are in doubt.
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
    doubts = [
        f"{each.scan_id}/{each.stage}: {line}" for each in checkpoints for line in doubt_lines(each.doubtful_pages)
    ]
    if doubts and not allow_doubtful:
        report = f"producer report {checkpoints[0].scan_id}"
        raise DoubtfulPagesError(f"{'; '.join(doubts)}; `{report}` shows these pages beside their text")
