"""The deployment that works on a storage root: one Redis, one key prefix, and the workers that use them.

Two deployments on one root would each do, and pay for, the other's pages; "One deployment a storage root" in
`docs/design.md` has the rules that keep them apart. Living workers put the id into Redis again after a flush, so a
worker knows by Redis whether it belongs there.
"""

import contextlib
import fcntl
import os
import socket
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, cast

from pydantic import AwareDatetime, Field, ValidationError
from redis import Redis
from redis.exceptions import RedisError

from checkpointing.atomic import write_durably
from checkpointing.errors import InUseError
from checkpointing.fields import OpenModel, now
from checkpointing.key_types import drop_wrong_types
from checkpointing.locks import file_lock
from checkpointing.regular_files import NotRegularFileError, read_regular
from checkpointing.storage_errors import storage_error
from worker.storage.open_stages import OWN_FOLDER

BEAT_SECONDS = 2.0
# Three beats and a bit: a reconciler that is busy with a long look beats late.
WATCH_SECONDS = 7.0
_LOOK_SECONDS = 0.1
_JOIN_SECONDS = 60.0
_RECORD_SECONDS = 5.0


class DeploymentRecord(OpenModel):
    """The record in a storage root of the deployment that works on it.

    Attributes:
        deployment_id: of the deployment; Redis holds the same one.
        broker: address of its Redis, without a password.
        host: of the worker that wrote this.
        beat: another one with every beat.
        beat_at: when that was, for people.
    """

    version: str = "1"
    deployment_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    broker: str = ""
    host: str = ""
    beat: str
    beat_at: AwareDatetime


class Membership:
    """That of one worker in the deployment of a storage root. It ends with the process and those that it forked.

    The descriptor `held` is that of the lock that says that the worker lives.
    """

    def __init__(self, root: Path, redis: Redis, key: str, record: DeploymentRecord, held: int) -> None:
        self.deployment_id = record.deployment_id
        self._root = root
        self._redis = redis
        self._key = key
        self._broker = record.broker
        self._seen = record.beat
        self._held = held

    def use(self, redis: Redis) -> None:
        """Talk to the broker with another client: that of a process which was forked."""
        self._redis = redis

    def beat(self) -> None:
        """Show that the deployment lives, unless another of its workers just did; put its id back into Redis.

        Raises:
            InUseError: another deployment has taken the root over.
            OSError, CheckpointError: the storage failed.
            RedisError: the broker failed.
        """
        # In this order: who sees a beat of this deployment finds its id in Redis.
        self._check_ours(read_record(self._root))
        if _id_in(self._redis, self._key) != self.deployment_id:
            self._redis.set(self._key, self.deployment_id)
        if not self._is_unchanged(read_record(self._root)):
            return
        with file_lock(_path(self._root, "deployment.lock"), _RECORD_SECONDS):
            if self._is_unchanged(read_record(self._root)):
                self._seen = _write(self._root, self.deployment_id, self._broker).beat

    def _is_unchanged(self, record: DeploymentRecord | None) -> bool:
        """Return whether no worker has beaten since this one looked last."""
        self._check_ours(record)
        if record is None or record.beat == self._seen:
            return True
        self._seen = record.beat
        return False

    def _check_ours(self, record: DeploymentRecord | None) -> None:
        if record is not None and record.deployment_id != self.deployment_id:
            raise InUseError(
                f"the workers of another deployment ({record.broker}) have taken over {self._root} while these "
                "showed no sign of life"
            )

    def leave(self) -> None:
        """Give back the lock, as the end of the process does."""
        os.close(self._held)


def join(
    root: Path, redis: Redis, key: str, broker: str, wait: Callable[[float], object] = time.sleep
) -> Membership:
    """Make this process a worker of the deployment of a storage root; of a new one where none is at work.

    Redis holds the id of the deployment under `key`; `broker` is the address of Redis, without a password.

    Raises:
        InUseError: the workers of another deployment are at work there.
        OSError, CheckpointError: the storage failed.
        RedisError: the broker failed.
    """
    drop_wrong_types(redis, {key: "string"})
    # One at a time, so that workers that start together become one deployment.
    with file_lock(_path(root, "deployment.join"), _JOIN_SECONDS):
        at_work = find_at_work(root, partial(is_deployment_of, redis, key), wait)
        named = _id_in(redis, key)
        if at_work is not None and at_work.deployment_id != named:
            raise in_use(root, at_work)
        held = os.open(_path(root, "deployment.alive"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(held, fcntl.LOCK_SH)
            with file_lock(_path(root, "deployment.lock"), _RECORD_SECONDS):
                record = _write(root, named or uuid.uuid4().hex, broker)
            redis.set(key, record.deployment_id)
        except BaseException:
            os.close(held)
            raise
    return Membership(root, redis, key, record, held)


def find_at_work(
    root: Path,
    is_ours: Callable[[DeploymentRecord], bool] = lambda _record: False,
    wait: Callable[[float], object] = time.sleep,
) -> DeploymentRecord | None:
    """Return the deployment whose workers are at work on a storage root; None where none is.

    That of the caller (`is_ours`) need not be watched.

    Raises:
        OSError: the storage failed.
    """
    first = read_record(root)
    waited = 0.0
    while (record := read_record(root)) is not None and first is not None:
        if is_ours(record) or record.beat != first.beat:
            return record
        # A lock that is free says enough on the machine of the last beat; some network storage locks for one alone.
        if waited >= WATCH_SECONDS or (record.host == socket.gethostname() and not is_held(root)):
            return None
        wait(_LOOK_SECONDS)
        waited += _LOOK_SECONDS
    return None


def refuse_another(root: Path, redis: Redis, key: str, wait: Callable[[float], object] = time.sleep) -> None:
    """Check that no workers of another deployment are at work on a storage root.

    What a command puts into Redis, or asks it, would be about none of their pages. Where Redis fails nothing is
    checked: the command fails by itself.

    Raises:
        InUseError: they are.
        StorageError: the storage failed.
    """
    is_ours = partial(is_deployment_of, redis, key)
    try:
        with contextlib.suppress(RedisError):
            at_work = find_at_work(root, is_ours, wait)
            if at_work is not None and not is_ours(at_work):
                raise in_use(root, at_work)
    except OSError as error:
        raise storage_error(error, root) from error


def in_use(root: Path, at_work: DeploymentRecord) -> InUseError:
    """Return the error for a storage root that another deployment works on."""
    return InUseError(
        f"{root} is in use by the workers of another deployment ({at_work.broker})",
        hint="set LEAFMARK_REDIS_URL and LEAFMARK_KEY_PREFIX as they have them, stop them first, or use another "
        "LEAFMARK_STORAGE_ROOT",
    )


def is_deployment_of(redis: Redis, key: str, record: DeploymentRecord) -> bool:
    """Return whether a Redis is that of a deployment.

    Raises:
        RedisError: the broker failed.
    """
    return _id_in(redis, key) == record.deployment_id


def read_record(root: Path) -> DeploymentRecord | None:
    """Return the record of the deployment at work; None where there is none that can be read.

    Raises:
        OSError: the storage failed.
    """
    try:
        return DeploymentRecord.model_validate_json(read_regular(_path(root, "deployment.json")))
    except (FileNotFoundError, NotADirectoryError, NotRegularFileError, ValidationError):
        return None


def _write(root: Path, deployment_id: str, broker: str) -> DeploymentRecord:
    record = DeploymentRecord(
        deployment_id=deployment_id, broker=broker, host=socket.gethostname(), beat=uuid.uuid4().hex, beat_at=now()
    )
    path = _path(root, "deployment.json")
    write_durably(path, record.model_dump_json().encode() + b"\n", DeploymentRecord.model_validate_json)
    return record


def is_held(root: Path) -> bool:
    """Return whether any worker that joined lives, as far as the lock shows."""
    with contextlib.suppress(FileNotFoundError):
        held = os.open(_path(root, "deployment.alive"), os.O_RDWR)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(held)
    return False


def _id_in(redis: Redis, key: str) -> str | None:
    found = cast("bytes | None", redis.get(key))
    return None if found is None else found.decode(errors="replace")


def _path(root: Path, name: str) -> Path:
    return root / OWN_FOLDER / name
