"""Cancel: calling off what was asked for. What is complete stays complete, and `enqueue` goes on from there.

The checkpoint says so first; then the queue is emptied, and only then is the stage taken off the list of open ones.
Wherever that is broken off, a reconciler finds the stage open and cancelled, and does the rest.

Of several stages the last one of the pipeline is cancelled first: so nothing that an earlier one completes
meanwhile flows into a stage that costs money and is about to be cancelled.
"""

from collections.abc import Callable
from dataclasses import dataclass

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import BrokerError, LeafmarkError
from checkpointing.refs import StageRef
from checkpointing.storage_errors import storage_error
from worker.deployment import Deployment
from worker.preflight import check_broker
from worker.queue.broker_errors import broker_errors
from worker.stages.registry import STAGES
from worker.storage import root_owner


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What was called off.

    Attributes:
        dropped: pages that waited and are not worked on any more.
        running: pages that workers had in hand.
        stopped: how many of them were told to stop.
        summary: where the stage stands, in words.
    """

    dropped: int
    running: list[int]
    stopped: int
    summary: str


def cancel(deployment: Deployment, ref: StageRef, *, now: bool = False) -> Cancelled | None:
    """Call a stage off; None where nothing is under way.

    Args:
        deployment: the deployment.
        ref: which stage of which scan.
        now: end the processes of the pages in hand too, instead of letting them finish. Works in prefork pools; in
            the others pages finish all the same.

    Raises:
        UnknownNameError: there is no such scan or stage.
        InputError: the scan's metadata is broken.
        StorageError: the storage failed.
        BrokerError: Redis failed; saying it again does the rest.
        CheckpointError: somebody else holds the checkpoint.
        InUseError: the workers at work are those of another deployment, and would go on.
    """
    deployment.store.stages.get(ref.stage)
    total_pages = deployment.store.metadata(ref.scan_id).total_pages
    check_broker(deployment.settings)
    root_owner.refuse_another(deployment.store.root, deployment.queues.redis, deployment.queues.keys.deployment)
    file = deployment.store.checkpoint_file(ref)
    queue = deployment.queues.queue(ref)
    try:
        with file.exclusive() as checkpoint:
            if not _is_under_way(deployment, checkpoint):
                return None
            running = sorted(queue.held(range(1, total_pages + 1)))
            dropped = len(set(checkpoint.pending()).difference(running))
            checkpoint.cancel()
            file.save(checkpoint)
            queue.close()
            deployment.store.open_stages.remove(ref)
        stopped = deployment.workers.stop_running(ref) if now and running else 0
    except broker_errors() as error:
        raise BrokerError(f"Redis failed ({error}); repeat the command") from error
    except OSError as error:
        raise storage_error(error, file.path) from error
    return Cancelled(dropped, running, stopped, checkpoint.summary())


def cancel_all(
    deployment: Deployment, scan_id: str, report: Callable[[str, Cancelled], object], *, now: bool = False
) -> int:
    """Call off every stage of a scan that is under way, the last one of the pipeline first.

    Args:
        deployment: the deployment.
        scan_id: of which scan.
        report: told of each stage as soon as it is called off: its name, and what that led to.
        now: as in `cancel`.

    Returns:
        How many stages were called off.

    Raises:
        UnknownNameError, InputError, StorageError, BrokerError, CheckpointError: as `cancel`; of the first stage
        that
            could not be called off, after the others were.
    """
    deployment.store.metadata(scan_id)
    cancelled: list[str] = []
    errors: list[LeafmarkError] = []
    for stage in reversed(STAGES):
        if not _has_begun(deployment, StageRef(scan_id, stage)):
            continue
        try:
            done = cancel(deployment, StageRef(scan_id, stage), now=now)
        except LeafmarkError as error:
            errors.append(error)
            continue
        if done is not None:
            cancelled.append(stage)
            report(stage, done)
    try:
        for stage in cancelled:
            # What an earlier stage had fed just before its turn came. A producer may have asked for it anew.
            if not deployment.store.open_stages.is_open(StageRef(scan_id, stage)):
                deployment.queues.queue(StageRef(scan_id, stage)).close()
    except broker_errors() as error:
        errors.append(BrokerError(f"Redis failed ({error}); repeat the command"))
    if errors:
        raise errors[0]
    return len(cancelled)


def _has_begun(deployment: Deployment, ref: StageRef) -> bool:
    path = deployment.store.checkpoint_file(ref).path
    return deployment.store.open_stages.is_open(ref) or path.exists()


def _is_under_way(deployment: Deployment, checkpoint: Checkpoint) -> bool:
    is_open = deployment.store.open_stages.is_open(checkpoint.ref)
    return is_open or bool(checkpoint.pending())
