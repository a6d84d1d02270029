"""Open regular files on the shared storage, and refuse everything else.

Anyone who can write to the storage, or who packed an archive, can put a FIFO, a device or a socket in the place of
a file. Opening a FIFO waits for a writer that never comes; reading a device may never end. So every file in the
storage is opened here: the call never blocks, and refuses what is not a regular file.
"""

import errno
import hashlib
import os
import stat
from io import BufferedReader, BufferedWriter
from pathlib import Path

# What `open` raises for a socket, for a device without a driver, and for writing to a FIFO that nothing reads.
_SPECIAL = {errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP}


class NotRegularFileError(OSError):
    """A FIFO, a device or a socket is in the place of a file. Its `errno` is ENXIO."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(errno.ENXIO, "it is not a regular file", str(path))


def open_regular(path: Path | str, flags: int = os.O_RDONLY) -> int:
    """Open a regular file without ever blocking on another process; return its descriptor.

    The flags are those of `os.open`. A symbolic link is followed. Child processes do not inherit the descriptor.

    Raises:
        NotRegularFileError: a FIFO, a device or a socket has that name.
        IsADirectoryError: a folder has that name.
        OSError: it cannot be opened.
    """
    try:
        fd = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY, 0o644)
    except OSError as error:
        if error.errno in _SPECIAL:
            raise NotRegularFileError(path) from error
        raise
    try:
        _check_regular(fd, path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def open_regular_file(path: Path | str) -> BufferedReader:
    """Open a regular file for reading, with the errors of `open_regular`."""
    return os.fdopen(open_regular(path), "rb")


def append_to_regular(path: Path | str) -> BufferedWriter:
    """Open a regular file for appending, created where it is missing, with the errors of `open_regular`."""
    return os.fdopen(open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")


def read_regular(path: Path | str) -> bytes:
    """Return the content of a regular file, with the errors of `open_regular`."""
    with open_regular_file(path) as file:
        return file.read()


def sha256_of(path: Path | str) -> str:
    """Return the hash of the content of a regular file, in hexadecimal.

    Raises:
        OSError: as `open_regular`, or the file cannot be read.
    """
    with open_regular_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_regular(fd: int, path: Path | str) -> None:
    kind = os.fstat(fd).st_mode
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(kind):
        raise NotRegularFileError(path)
