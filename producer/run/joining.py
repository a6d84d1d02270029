"""Decides whether `producer run` uses the workers that already use the storage root."""

from pathlib import Path

from redis.exceptions import RedisError

from checkpointing.errors import CheckpointError
from checkpointing.locks import file_lock
from producer.run.supervisor import GRACE_SECONDS, SUPERVISOR_LOCK
from producer.terminal.console import notes
from worker.config.settings import Settings
from worker.keys import Keys
from worker.queue.connection import connect
from worker.storage.root_owner import find_at_work, in_use, is_deployment_of


def joins_deployment(settings: Settings) -> bool:
    """Return whether the workers of the configured deployment use the storage root already.

    Waits until the workers of an earlier run that was killed have finished their pages.

    Raises:
        InUseError: the workers of another deployment use the storage root.
        CheckpointError: the workers of an earlier run do not end.
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
        raise in_use(root, at_work)
    return True


def _wait_for_earlier_run(root: Path) -> None:
    path = root / SUPERVISOR_LOCK
    try:
        with file_lock(path, 0.0):
            return
    except CheckpointError:
        notes.print("An earlier run was killed; waiting until its workers have finished the pages in hand ...")
    with file_lock(path, GRACE_SECONDS * 2):
        return
