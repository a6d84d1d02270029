"""Durable writes: when one returns the file is whole and on disk; after a crash it is the old one or the new one.

A writer holds `flock` on its temp file for as long as it lives, so that a clean-up can tell an orphan of a crash
from the file of a live writer, on this machine or another.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path

_TEMP_MARK = ".tmp"


def write_durably(path: Path, data: bytes, check: Callable[[bytes], object]) -> None:
    """Replace the content of `path` by `data`, or leave it unchanged. Its folder must exist.

    `check` is called with the bytes read back from disk, and raises if they are wrong.

    Raises:
        OSError: the storage failed; no temp file is left. The target is unchanged, or, where only the last step
            failed (fsync of the folder), it is the whole new file.
        Exception: what `check` raised; no temp file is left, and the target is unchanged.
    """
    temp, fd = _open_temp(path)
    try:
        try:
            _write_all(fd, data)
            os.fsync(fd)
            # Read through a second descriptor: the first may show pages that never reached the disk ("fsyncgate").
            check(temp.read_bytes())
            temp.replace(path)
        finally:
            os.close(fd)
    except BaseException:
        with contextlib.suppress(OSError):
            temp.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: the storage failed.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path, within: Path | None = None) -> None:
    """Create a folder, and those between it and `within`, durably, unless it exists.

    `within`, by default the parent, must exist: a worker that created the folders above a scan would write into the
    bare mount point of a share that is not mounted.

    Raises:
        OSError: the storage failed, `within` does not exist, or something else has that name.
    """
    if folder.is_dir():
        return
    if within is not None and folder.parent != within:
        make_folder(folder.parent, within)
    folder.mkdir(exist_ok=True)
    try:
        sync_folder(folder.parent)
    except BaseException:
        # The next attempt must not find the folder and take its name for durable.
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise


def remove_orphans(folder: Path, prefix: str = "") -> list[Path]:
    """Delete the temp files that crashed writers left in a folder; return those that were deleted.

    The file of a writer that lives, and what cannot be deleted, is left. The folder may be missing. With `prefix`,
    only the temp files of targets whose names start with it are deleted.
    """
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    temps = (folder / name for name in names if name.startswith(prefix) and _TEMP_MARK in name)
    return [temp for temp in temps if _remove_if_orphan(temp)]


def _open_temp(path: Path) -> tuple[Path, int]:
    """Create and lock a temp file beside `path`."""
    while True:
        temp = path.with_name(f"{path.name}{_TEMP_MARK}.{secrets.token_hex(8)}")
        fd = os.open(temp, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            # A clean-up may have found the file between the two calls and taken it for an orphan.
            if os.fstat(fd).st_nlink:
                return temp, fd
        except BaseException:
            os.close(fd)
            temp.unlink(missing_ok=True)
            raise
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _remove_if_orphan(temp: Path) -> bool:
    try:
        # Without blocking, in case it is a FIFO.
        fd = os.open(temp, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        temp.unlink()
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
