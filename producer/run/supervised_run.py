"""The side of `producer run` that starts, checks and stops the supervisor of its broker and workers."""

import contextlib
import fcntl
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from checkpointing.atomic import make_folder
from checkpointing.errors import LeafmarkError, StorageError
from checkpointing.regular_files import append_to_regular, open_regular, read_regular
from checkpointing.storage_errors import storage_errors
from producer.run.supervisor import FAILURE_FILE, GRACE_SECONDS, WORKER_LOG
from worker.launch.child_processes import child_environment, python_command
from worker.storage.open_stages import OWN_FOLDER

_RUN_LOCK = f"{OWN_FOLDER}/run.lock"
_START_TIMEOUT_SECONDS = 60.0


class Supervisor:
    """The process `producer.run.supervisor`, with the embedded broker and the workers; it ends when this one ends.

    The constructor does not wait: `redis_url` does, until the broker is up. So a caller can stop it at any time.

    Args:
        root: the storage root, which exists.
        processes: how many pages are processed at once.
        asking: stages that call a model; they get a worker of their own with many threads.

    Raises:
        StorageError: its log cannot be written.
    """

    def __init__(self, root: Path, processes: int, asking: Sequence[str] = ()) -> None:
        self._log = root / WORKER_LOG
        self._failure_file = root / FAILURE_FILE
        with _opened_log(self._log) as log:
            self._failure_file.unlink(missing_ok=True)
            self._process = subprocess.Popen(
                python_command("producer.run.supervisor", str(root), str(processes), *asking),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # `communicate` would lose what is left in a buffer here.
                bufsize=0,
                env=child_environment(LEAFMARK_STORAGE_ROOT=str(root)),
                # Ctrl-C reaches only this process, which stops the others in order.
                start_new_session=True,
            )

    @cached_property
    def redis_url(self) -> str:
        """The broker's URL.

        Raises:
            LeafmarkError: broker or workers did not start.
        """
        out = self._process.stdout
        ready = out is not None and select.select([out], [], [], _START_TIMEOUT_SECONDS)[0]
        line = out.readline().decode().strip() if out is not None and ready else ""
        if line:
            return line
        self.stop()
        raise self._failure(self._process.returncode)

    def check(self) -> None:
        """Check that it is alive.

        Raises:
            LeafmarkError: it ended; the message has the reason from its log.
        """
        code = self._process.poll()
        if code is not None:
            raise self._failure(code)

    def stop(self) -> None:
        """Let the workers finish the pages in hand, then end them and the broker."""
        try:
            printed, _ = self._process.communicate(timeout=GRACE_SECONDS * 2)
        except subprocess.TimeoutExpired:
            _kill_group(self._process.pid)
            printed, _ = self._process.communicate()
        if self._process.returncode < 0:
            # It hung or was killed and stopped nothing: the broker is in its process group, and it has printed the
            # group of each worker.
            for group in (self._process.pid, *map(int, filter(bytes.isdigit, printed.split()))):
                _kill_group(group)

    def _failure(self, code: int) -> LeafmarkError:
        why = f"see {self._log}"
        if code > 0:
            with contextlib.suppress(OSError):
                why = read_regular(self._failure_file).decode(errors="replace")
        how = f"ended with exit code {code}" if code >= 0 else f"were killed by signal {-code}"
        error = LeafmarkError(f"the workers of this run {how}: {why}")
        error.exit_code = max(code, 1)
        return error


@contextlib.contextmanager
def only_run(root: Path) -> Iterator[None]:
    """Hold the lock of `producer run` on a storage root.

    Raises:
        StorageError: the storage failed; or another run holds the lock: the message says how to use its workers.
    """
    path = root / _RUN_LOCK
    with storage_errors(path):
        make_folder(path.parent)
        lock = open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    with os.fdopen(lock, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"another `producer run` uses {root}",
                hint="wait until it ends, or give this scan to its workers: "
                f"LEAFMARK_REDIS_URL={path.read_text().strip() or '(its broker)'} producer enqueue SCAN_ID --wait",
            ) from None
        # The broker of an earlier run is gone.
        file.truncate(0)
        yield


def announce_broker(root: Path, redis_url: str) -> None:
    """Write the broker's URL into the lock file, where the next `producer run` finds it for its error message."""
    (root / _RUN_LOCK).write_text(redis_url)


def _opened_log(path: Path) -> BinaryIO:
    with storage_errors(path):
        make_folder(path.parent)
        return append_to_regular(path)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
