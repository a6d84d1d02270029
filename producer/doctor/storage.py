"""Check the storage: that it exists, durable writes, locks, free space and its clock."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from checkpointing.atomic import make_folder, write_durably
from checkpointing.errors import CheckpointError
from checkpointing.locks import file_lock
from checkpointing.storage_errors import storage_error
from producer.doctor.check import Area, Check, Reporter, clock_difference
from producer.doctor.mounts import MOUNT_TABLE, check_mount, mount_of
from worker.storage.open_stages import OWN_FOLDER
from worker.storage.root_marker import NotALibraryError, library_at

_LITTLE_BYTES, _NO_BYTES = 2_000_000_000, 100_000_000
_FEW_FILES, _NO_FILES = 20_000, 500
_SLOW_SECONDS = 0.5
_LOCK_SECONDS = 10.0
# Run in a process of its own; exit code 1: another process holds the lock.
_TAKE_LOCK = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(1)
"""
_HELD = 1
_report = Reporter(Area.STORAGE)


def examine_storage(root: Path) -> Iterator[Check]:
    """Check the storage root. Writes probe files into its own folder there, and deletes them."""
    try:
        yield from _examine(root)
    except OSError as error:
        problem = str(storage_error(error, root))
        yield _report.problem("writes", problem, "repair that, and run `producer doctor` again")


def _examine(root: Path) -> Iterator[Check]:
    if not root.is_dir():
        yield _report.problem(
            "root", f"{root} is not a folder", "create it or mount it, or set LEAFMARK_STORAGE_ROOT"
        )
        return
    yield _report.ok("root", f"{root} is a folder")
    if MOUNT_TABLE.is_file():
        yield from check_mount(mount_of(root.resolve(), MOUNT_TABLE.read_text(encoding="utf-8", errors="replace")))
    yield from check_room(root)
    try:
        library_at(root).check()
    except NotALibraryError as error:
        # Nothing is written: it may be the empty mount point of a share that is not mounted.
        yield _report.warning("library", error.message, error.hint)
        return
    probe = root / OWN_FOLDER / f"doctor-{secrets.token_hex(8)}"
    try:
        make_folder(probe.parent)
        yield from _check_writes(probe)
        yield _check_locks(probe)
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def can_be_made(root: Path) -> bool:
    """Return whether a storage root does not exist and the first command that saves a page can create it."""
    if root.exists() or root.is_symlink():
        return False
    above = next(folder for folder in root.absolute().parents if folder.exists())
    return above.is_dir() and os.access(above, os.W_OK | os.X_OK)


def check_room(root: Path) -> Iterator[Check]:
    """Check how much space is free, and how many files can still be created."""
    found = os.statvfs(root)
    space, files = found.f_bavail * found.f_frsize, found.f_favail
    what = f"{_bytes(space)} free"
    if space < _NO_BYTES:
        yield _report.problem("free_space", what, "free some space; pages wait until there is some")
    elif space < _LITTLE_BYTES:
        yield _report.warning("free_space", what, "free some space before it runs out")
    else:
        yield _report.ok("free_space", what)
    # Some file systems create inodes when they need them, and report 0.
    if not found.f_files:
        return
    what = f"{files:,} more files can be created"
    if files < _NO_FILES:
        yield _report.problem("free_files", what, "delete what is not needed; every page is a file")
    elif files < _FEW_FILES:
        yield _report.warning("free_files", what, "delete what is not needed; every page is a file")
    else:
        yield _report.ok("free_files", what)


def _check_writes(probe: Path) -> Iterator[Check]:
    """Check that a file can be replaced durably: every page and checkpoint is saved in this way."""
    write_durably(probe, b"old", bytes)
    before, started = time.time(), time.monotonic()
    write_durably(probe, b"new", bytes)
    seconds, after = time.monotonic() - started, time.time()
    if probe.read_bytes() != b"new":
        yield _report.problem(
            "replaces", "a file that was replaced still has its old content", "use another file system"
        )
        return
    what = f"a file is saved durably in {seconds * 1000:.0f} ms (written, synced, renamed, folder synced)"
    if seconds > _SLOW_SECONDS:
        yield _report.warning("writes", what, "every page waits for two of these; find out what slows the storage")
    else:
        yield _report.ok("writes", what)
    yield check_clock(probe.stat().st_mtime, before, after)


def check_clock(stamp: float, before: float, after: float) -> Check:
    """Check that the storage's clock agrees with the clock of this machine.

    Args:
        stamp: modification time that the storage gave a file, in seconds since 1970.
        before: time on this machine just before that.
        after: time on this machine just after that.
    """
    ahead = stamp - after if stamp > after else min(0.0, stamp - before)
    if difference := clock_difference(ahead):
        return _report.warning("clock", f"its clock is {difference}", "synchronize both clocks with NTP")
    return _report.ok("clock", "its clock agrees with the clock of this machine")


def _check_locks(probe: Path) -> Check:
    """Check that a second process cannot take a lock while it is held, and can take it afterwards."""
    try:
        with file_lock(probe, _LOCK_SECONDS):
            while_held = _second_process(probe)
        after = _second_process(probe)
    except (CheckpointError, subprocess.TimeoutExpired) as error:
        return _report.problem("locks", f"locks do not work ({error})", "mount the storage so that `flock` works")
    if while_held == _HELD and after == 0:
        return _report.ok("locks", "a second process sees a lock")
    how = "can take a lock that is held" if while_held != _HELD else "cannot take a lock that is free"
    return _report.problem("locks", f"a second process {how}", "mount the storage so that `flock` works")


def _second_process(probe: Path) -> int:
    command = [sys.executable, "-I", "-S", "-c", _TAKE_LOCK, str(probe)]
    return subprocess.run(command, capture_output=True, timeout=_LOCK_SECONDS, check=False).returncode


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004  # to the next unit
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
