"""Whether `producer run` uses the workers that are at work on the storage root already."""

from pathlib import Path

from redis.exceptions import RedisError

from checkpointing.errors import CheckpointError, InUseError
from checkpointing.locks import file_lock
from producer.run.supervisor import GRACE_SECONDS, supervisor_lock
from producer.terminal.console import notes
from worker.config.settings import Settings
from worker.keys import Keys
from worker.queue.connection import connect
from worker.storage.root_owner import find_at_work, in_use, is_deployment_of


def joins_deployment(settings: Settings) -> bool:
    """Whether a run uses the workers of the configured deployment, because these are at work on the storage root.

    The workers of an earlier run that was killed finish their pages first; that is waited for.

    Raises:
        InUseError: the workers of another deployment are at work there.
        CheckpointError: those of an earlier run do not come to an end.
        OSError: the storage failed.
    """
    root = settings.root
    _wait_for_earlier_run(root)
    at_work = find_at_work(root)
    if at_work is None:
        return False
    try:
        with connect(settings, retry_timeouts=False) as redis:
            ours = is_deployment_of(redis, Keys(settings.key_prefix).deployment, at_work)
    except (RedisError, ValueError):
        ours = False
    if not ours:
        raise InUseError(in_use(root, at_work))
    return True


def _wait_for_earlier_run(root: Path) -> None:
    path = supervisor_lock(root)
    try:
        with file_lock(path, 0.0):
            return
    except CheckpointError:
        notes.print("An earlier run was killed; waiting until its workers have finished the pages in hand ...")
    with file_lock(path, GRACE_SECONDS * 2):
        return
