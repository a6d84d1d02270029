"""What a failed system call on the shared storage means, in words for a person."""

import errno
from collections.abc import Callable
from pathlib import Path

from checkpointing.errors import StorageError
from checkpointing.regular_files import NotRegularFileError

StorageCheck = Callable[[], object]
"""Called before anything is written; raises where the storage is not the one that it should be."""

_WORDS = {
    errno.ENOSPC: "no space left on the storage; free some and try again",
    errno.EDQUOT: "the disk quota is used up; free some space or raise the quota, and try again",
    errno.EROFS: "the storage is mounted read-only; mount it writable",
    errno.EACCES: "permission denied; check who owns it and its mode",
    errno.EPERM: "permission denied; check who owns it and its mode",
    errno.EIO: "the storage reports an input/output error; check the disk or the network mount",
    errno.ENOENT: "it is not there; check that the storage is mounted",
    errno.ESTALE: "the network mount went stale; mount it again",
    errno.ENOTDIR: "a file stands where a folder is needed; move it away",
    errno.ENXIO: "it is not a regular file but a FIFO, a device or a socket; move it away",
    errno.EEXIST: "a file stands where a folder is needed; move it away",
}


def no_check() -> None:
    """Return at once: for storage without a marker, such as that of a program that uses `checkpointing` alone."""


def storage_error(exc: OSError, path: Path) -> StorageError:
    """The one-line error for a system call that failed on `path`.

    Args:
        exc: what the system call raised.
        path: the file or folder that was worked on. `exc.filename` is used only where a file that is not regular
            was refused: it is often absent, and for a copy it names the source, which has nothing wrong with it.

    Returns:
        The error to raise, best with `from exc`.
    """
    if isinstance(exc, NotRegularFileError):
        path = Path(exc.filename)
    words = _WORDS.get(exc.errno or 0) or exc.strerror or str(exc) or type(exc).__name__
    return StorageError(f"{path}: {words}")
