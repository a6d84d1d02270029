"""Cancel: calling off what was asked for. What is complete stays complete, and `enqueue` goes on from there.

The checkpoint says so first; then the queue is emptied, and only then is the stage taken off the list of open ones.
Wherever that is broken off, a steward finds the stage open and cancelled, and does the rest.
"""

from dataclasses import dataclass

from redis.exceptions import RedisError

from checkpointing.errors import BrokerError
from checkpointing.models import Checkpoint
from checkpointing.storage_errors import storage_error
from worker.preflight import check_broker
from worker.workshop import Workshop


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


def cancel(workshop: Workshop, scan_id: str, stage: str, *, now: bool = False) -> Cancelled | None:
    """Call a stage off; None where nothing is under way.

    Args:
        workshop: the deployment.
        scan_id: of which scan.
        stage: which stage of it.
        now: end the processes of the pages in hand too, instead of letting them finish. Works in prefork pools; in
            the others pages finish all the same.

    Raises:
        UnknownNameError: there is no such scan or stage.
        InputError: the scan's metadata is broken.
        StorageError: the storage failed.
        BrokerError: Redis failed; saying it again does the rest.
        CheckpointError: somebody else holds the checkpoint.
    """
    workshop.stage(stage)
    total_pages = workshop.metadata(scan_id).total_pages
    check_broker(workshop.settings)
    file = workshop.checkpoint_file(scan_id, stage)
    queue = workshop.queue(scan_id, stage)
    try:
        with file.exclusive() as checkpoint:
            if not _is_under_way(workshop, checkpoint):
                return None
            running = sorted(queue.held(range(1, total_pages + 1)))
            dropped = len(set(checkpoint.pending()).difference(running))
            checkpoint.cancel()
            file.save(checkpoint)
            queue.close()
            workshop.open_stages.remove(scan_id, stage)
        stopped = workshop.stop_running(scan_id, stage) if now and running else 0
    except RedisError as error:
        raise BrokerError(f"Redis failed ({error}); repeat the command") from error
    except OSError as error:
        raise storage_error(error, file.path) from error
    return Cancelled(dropped, running, stopped, checkpoint.summary())


def _is_under_way(workshop: Workshop, checkpoint: Checkpoint) -> bool:
    is_open = workshop.open_stages.is_open(checkpoint.scan_id, checkpoint.stage)
    return is_open or bool(checkpoint.pending())
