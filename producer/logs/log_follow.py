"""Showing the lines of a log: those that are there, and those that come."""

import time
from collections.abc import Callable, Sequence

from checkpointing.errors import CheckpointError
from checkpointing.refs import StageRef
from checkpointing.status import Status
from producer.logs.log_files import LogFiles
from producer.logs.log_lines import LogLine, Wanted
from worker.deployment import Deployment

_POLL_SECONDS = 0.25
Show = Callable[[LogLine], object]


def show_new(files: LogFiles, wanted: Wanted, show: Show) -> int:
    """Show the wanted lines that have come since the last time; returns how many these were.

    Raises:
        OSError: the folder cannot be read, or the lines not be shown.
    """
    count = 0
    for line in files.new_lines():
        if line in wanted:
            show(line)
            count += 1
    return count


def follow_lines(
    files: LogFiles, wanted: Wanted, show: Show, is_done: Callable[[], bool], flush: Callable[[], object]
) -> None:
    """Show what is there and what comes, until everything is done.

    Args:
        files: the logs.
        wanted: which of their lines.
        show: shows one.
        is_done: asked several times a second; after it has said so once there is one more look, for the line that
            tells of the end.
        flush: called after each look.

    Raises:
        OSError: as `show_new`.
    """
    done = False
    while True:
        was_done, done = done, is_done()
        show_new(files, wanted, show)
        flush()
        if was_done:
            return
        time.sleep(_POLL_SECONDS)


def nothing_is_left(deployment: Deployment, scan_id: str, stages: Sequence[str]) -> bool:
    """Whether none of the stages has work under way, as checkpoints tell. One that is paused waits for a person."""
    return not any(_is_at_work(deployment, StageRef(scan_id, name)) for name in stages)


def _is_at_work(deployment: Deployment, ref: StageRef) -> bool:
    if not deployment.store.open_stages.is_open(ref):
        return False
    try:
        checkpoint = deployment.store.checkpoint_file(ref).read()
    except (CheckpointError, OSError):
        # Being rebuilt just now, or the storage is away for a moment.
        return True
    return bool(checkpoint.pending()) and checkpoint.status is not Status.PAUSED
