"""The one durable write: after it returns the file is whole and on disk; after a crash it is the old or the new.

Order of steps, after the seed (temp, validate, rename) and the usual advice on crash-safe replacement
(see `man 2 fsync`: the folder needs its own): write a temp file of our own in the same folder, fsync it, read
it back and check it, rename it over the target, fsync the folder.

A writer holds `flock` on its temp file for as long as it lives, so that a clean-up can tell an orphan of a
crash from the file of a live writer, on this machine or another.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

_TEMP_MARK = ".tmp"


def write_durably(path: Path, data: bytes, check: Callable[[bytes], object]) -> None:
    """Replace `path` by `data`, or leave it exactly as it was.

    Args:
        path: the file to replace; its folder must exist.
        data: the bytes it shall hold.
        check: called with the bytes read back from disk; raises when they are not what they should be.

    Raises:
        OSError: the storage failed; no temp file is left. The target is untouched, or, where only the last
            step failed (fsync of the folder), it is the whole new file.
        Exception: what `check` raised; likewise.
    """
    temp, fd = _open_temp(path)
    try:
        try:
            _write_all(fd, data)
            os.fsync(fd)
            # Read through a second descriptor: after a failed fsync the first may show pages that never
            # reached the disk ("fsyncgate"), and a failing one has raised already.
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
    """Create a folder, and those between it and `within`, durably; fine when it is there already.

    Args:
        folder: the folder to create.
        within: the folder that must be there and is not created; default the parent. A worker that created what is
            above a scan would write into the bare mount point of a share that is not mounted.

    Raises:
        OSError: the storage failed, `within` is not there, or something else has that name.
    """
    if folder.is_dir():
        return
    if within is not None and folder.parent != within:
        make_folder(folder.parent, within)
    folder.mkdir(exist_ok=True)
    try:
        sync_folder(folder.parent)
    except BaseException:
        # Whoever tries again must not find it there and take its name for safe.
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise


def remove_orphans(folder: Path, prefix: str = "") -> list[Path]:
    """Delete the temp files that crashed writers left in a folder; never one whose writer lives.

    Best effort, as the seed asks: what cannot be deleted is left.

    Args:
        folder: where to look; need not exist.
        prefix: only temp files of targets whose names start with this.

    Returns:
        The files deleted.
    """
    return [temp for temp in _temp_files(folder, prefix) if _remove_if_orphan(temp)]


def _open_temp(path: Path) -> tuple[Path, int]:
    """Create and lock a temp file beside `path`."""
    while True:
        temp = path.with_name(f"{path.name}{_TEMP_MARK}.{secrets.token_hex(8)}")
        fd = os.open(temp, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            # A clean-up may have met the file between the two calls and taken it for an orphan.
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


def _temp_files(folder: Path, prefix: str) -> Iterator[Path]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    yield from (folder / name for name in names if name.startswith(prefix) and _TEMP_MARK in name)


def _remove_if_orphan(temp: Path) -> bool:
    try:
        # Without waiting, should it be a FIFO.
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
