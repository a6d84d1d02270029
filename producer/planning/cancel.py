"""Cancel the work on a scan, one stage or all of them. Complete pages are kept; `enqueue` continues from there.

The checkpoint is saved first, so that a reconciler finishes the cancellation after a crash (`docs/design.md`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from checkpointing.errors import BrokerError, LeafmarkError
from checkpointing.refs import StageRef
from checkpointing.storage_errors import storage_errors
from producer.planning.preconditions import check_deployment
from worker.deployment import Deployment
from worker.queue.broker_errors import broker_errors
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The result of a cancellation, as `producer cancel --json` prints it.

    Attributes:
        summary: the progress of the stage, in words.
        dropped: waiting pages that were removed from the queue.
        running_pages: pages that workers had in hand.
        stopped: how many of them were stopped.
    """

    summary: str
    dropped: int
    running_pages: list[int]
    stopped: int


def cancel(deployment: Deployment, ref: StageRef, *, now: bool = False) -> Cancelled | None:
    """Cancel a stage. Returns None if nothing is under way.

    `now` ends the processes of the pages in hand instead of letting them finish. Only prefork pools can do that;
    other pools finish their pages.

    Raises:
        UnknownNameError: there is no such scan or stage.
        InputError: the scan's metadata is broken.
        StorageError: the storage failed.
        BrokerError: Redis failed; repeat the call.
        CheckpointError: another process holds the checkpoint.
        InUseError: the workers on this storage root belong to another deployment and would continue.
    """
    deployment.store.stages.get(ref.stage)
    total_pages = deployment.store.metadata(ref.scan_id).total_pages
    check_deployment(deployment.store, deployment.queues)
    file = deployment.store.checkpoint_file(ref)
    queue = deployment.queues.queue(ref)
    try:
        with storage_errors(file.path), file.exclusive() as checkpoint:
            if not (deployment.store.open_stages.is_open(ref) or checkpoint.pending()):
                return None
            running = sorted(queue.held(range(1, total_pages + 1)))
            dropped = len(set(checkpoint.pending()).difference(running))
            checkpoint.cancel()
            file.save(checkpoint)
            queue.close()
            deployment.store.open_stages.remove(ref)
        stopped = deployment.workers.stop_running(ref) if now and running else 0
    except broker_errors() as error:
        raise BrokerError(f"Redis failed ({error})", hint="repeat the command") from error
    return Cancelled(checkpoint.summary(), dropped, running, stopped)


def cancel_all(
    deployment: Deployment, scan_id: str, report: Callable[[str, Cancelled], object], *, now: bool = False
) -> int:
    """Cancel every stage of a scan that is under way, the last one of the pipeline first. Returns their number.

    `report` is called with the name and the result of each stage as soon as it is cancelled.

    Raises:
        UnknownNameError, InputError, StorageError, BrokerError, CheckpointError: as `cancel`, for the first stage
            that could not be cancelled, after the others were.
    """
    deployment.store.metadata(scan_id)
    cancelled: list[str] = []
    errors: list[LeafmarkError] = []
    for stage in reversed(STAGES):
        ref = StageRef(scan_id, stage)
        if not (deployment.store.open_stages.is_open(ref) or deployment.store.checkpoint_file(ref).path.exists()):
            continue
        try:
            done = cancel(deployment, ref, now=now)
        except LeafmarkError as error:
            errors.append(error)
            continue
        if done is not None:
            cancelled.append(stage)
            report(stage, done)
    try:
        for stage in cancelled:
            # Drop pages that an earlier stage fed before it was cancelled. A producer may have opened it again.
            if not deployment.store.open_stages.is_open(StageRef(scan_id, stage)):
                deployment.queues.queue(StageRef(scan_id, stage)).close()
    except broker_errors() as error:
        errors.append(BrokerError(f"Redis failed ({error})", hint="repeat the command"))
    if errors:
        raise errors[0]
    return len(cancelled)


def stages_under_way(store: BookStore, scan_id: str) -> list[str]:
    """Return the stages of a scan that are under way."""
    return [ref.stage for ref in store.open_stages.all() if ref.scan_id == scan_id]
