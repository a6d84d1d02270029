"""The folder for the counts of one worker's processes: a temporary folder of this machine, never on shared storage.

Every process of the worker inherits a lock on it, which ends with the last of them. So a later worker recognises
and removes the folder of a killed one.
"""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_PREFIX = "leafmark-metrics-"
_LOCK = "lock"
# The folder of a worker that is just starting has no lock yet.
_YOUNG_SECONDS = 60.0


class MetricsFolder:
    """A new folder, locked by this process and by those that it forks.

    Raises:
        OSError: it cannot be created.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._maker = os.getpid()
        self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Remove the folder, if this process created it. Safe to repeat."""
        if os.getpid() == self._maker:
            shutil.rmtree(self.path, ignore_errors=True)


def remove_left_behind() -> None:
    """Remove the folders of workers that were killed, with all their processes."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            status = path.lstat()
            is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
            if not is_ours or time.time() - status.st_mtime < _YOUNG_SECONDS:
                continue
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
