"""A lock on shared storage: one holder among all threads, processes and machines.

`flock` belongs to the open file: a holder that dies releases it at once, and one that is only paused keeps it, so
that no other process writes meanwhile. On NFS it needs version 4 (or `local_lock=none` on version 3).
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from checkpointing.errors import CheckpointError
from checkpointing.regular_files import open_regular

_held: set[int] = set()
_POLL_SECONDS = 0.01


@contextlib.contextmanager
def file_lock(path: Path, timeout: float) -> Iterator[int]:
    """Hold the lock file `path`, after waiting `timeout` seconds for it at most.

    The file is created if missing, and never deleted: after a deletion two holders could have two different files.

    Yields:
        The descriptor. A child process that inherits it holds the lock too, until it ends.

    Raises:
        CheckpointError: another holder kept it all that time.
        OSError: the file cannot be opened, or the file system cannot lock.
    """
    fd = open_regular(path, os.O_RDWR | os.O_CREAT)
    _held.add(fd)
    try:
        acquire(fd, path, timeout)
        try:
            yield fd
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        _held.discard(fd)
        os.close(fd)


def acquire(fd: int, path: Path, timeout: float, operation: int = fcntl.LOCK_EX) -> None:
    """Lock an open file, after waiting `timeout` seconds for it at most.

    Raises:
        CheckpointError: another holder kept it all that time.
        OSError: the file system cannot lock.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(fd, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise CheckpointError(
                    f"{path} has been held by another process for {timeout:g} s; "
                    f"if nothing else is running, end the process that holds it (`fuser {path}` names it)"
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _close_in_child() -> None:
    """Close the locks that a forked child has inherited.

    A pool process that was forked while its parent held a lock would keep the lock after the parent's death.
    Closing the child's copy does not release the parent's lock.
    """
    for fd in _held:
        with contextlib.suppress(OSError):
            os.close(fd)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
