"""Errors of failed system calls on the shared storage, with what to do about them."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from checkpointing.errors import StorageError
from checkpointing.regular_files import NotRegularFileError

StorageCheck = Callable[[], object]
"""Called before anything is written; raises where the storage is not the expected one."""

# What is wrong, and what to do, by errno.
_MESSAGES = {
    errno.ENOSPC: ("no space left on the storage", "free some and try again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space or raise the quota, and try again"),
    errno.EROFS: ("the storage is mounted read-only", "mount it writable"),
    errno.EACCES: ("permission denied", "check its owner and mode"),
    errno.EPERM: ("permission denied", "check its owner and mode"),
    errno.EIO: ("the storage reports an input/output error", "check the disk or the network mount"),
    errno.ENOENT: ("no such file or folder", "check that the storage is mounted"),
    errno.ESTALE: ("the network mount went stale", "mount it again"),
    errno.ENOTDIR: ("a file is in the place of a folder", "move it away"),
    errno.ENXIO: ("it is not a regular file but a FIFO, a device or a socket", "move it away"),
    errno.EEXIST: ("a file is in the place of a folder", "move it away"),
}


def no_check() -> None:
    """Return at once: for storage without a marker, such as that of a program that uses `checkpointing` alone."""


def storage_error(exc: OSError, path: Path) -> StorageError:
    """Return the error to raise, best with `from exc`, for a system call that failed on `path`.

    `exc.filename` is used only where a file that is not regular was refused: it is often missing, and for a copy it
    names the source, which is not at fault.
    """
    if isinstance(exc, NotRegularFileError):
        path = Path(exc.filename)
    other = (exc.strerror or str(exc) or type(exc).__name__, "")
    message, hint = _MESSAGES.get(exc.errno or 0, other)
    return StorageError(f"{path}: {message}", hint=hint)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Raise `storage_error` for a system call that fails in a `with` block.

    Raises:
        StorageError: a system call failed.
    """
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error
