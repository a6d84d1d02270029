"""The process that `producer run` starts: it runs the embedded broker and the workers, and restarts them.

It ends with its parent: its standard input is a pipe, and when the other end closes, because the parent ended or
was killed, it stops broker and workers. Its workers have such a pipe too, and end by themselves if this process
is killed (`producer.run.embedded_worker`).

`python -m producer.run.supervisor ROOT WORKERS [STAGE ...]` prints the broker's URL on stdout once the workers
are started, and then the process group of each, so that the parent can end these if the supervisor is killed with
-9. The named stages call a model; as they mostly wait, they get a worker of their own with many threads.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from checkpointing.locks import file_lock
from checkpointing.regular_files import append_to_regular
from checkpointing.storage_errors import storage_error
from worker.config.settings import load_settings
from worker.launch.child_processes import child_environment, python_command
from worker.llm.local_servers import is_local
from worker.stages.base import MODEL_THREADS
from worker.stages.registry import STAGES, uses_model
from worker.storage.open_stages import OWN_FOLDER

_POLL_SECONDS = 0.5
_MAX_RESTARTS = 5
# A stopping worker finishes the page in hand first.
GRACE_SECONDS = 25.0
# A model server on this machine answers a few calls at once; more pages would wait with their claims held.
_LOCAL_ASKING_THREADS = 8


# Below the storage root.
WORKER_LOG = f"{OWN_FOLDER}/worker.log"
"""Console output of the workers."""
FAILURE_FILE = f"{OWN_FOLDER}/worker.failure"
"""The reason why broker or workers cannot be started; missing if there is none."""
BROKER_FOLDER = f"{OWN_FOLDER}/valkey"
SUPERVISOR_LOCK = f"{OWN_FOLDER}/backstage.lock"
"""Its lock is held while the processes of a run live."""


def report_failure(root: Path, reason: str) -> None:
    """Write the reason into `FAILURE_FILE`, for `producer run` to print, if the storage allows it."""
    with contextlib.suppress(OSError):
        (root / FAILURE_FILE).write_text(reason)


class Worker:
    """A Celery worker with its pool, in a process group of its own.

    Args:
        lock: descriptor of the lock that it holds as long as it lives.
        options: of Celery: its queues, and how many pages at once.
    """

    def __init__(self, redis_url: str, lock: int, options: Sequence[str], log: IO[bytes]) -> None:
        self._redis_url = redis_url
        self._lock = lock
        self._options = options
        self._log = log
        self._restarts = 0
        self._process = self._start()

    def keep_alive(self) -> bool:
        """Start it again if it died; return False if it keeps dying."""
        if self._process.poll() is None:
            return True
        self._end_group()
        self._restarts += 1
        if self._restarts > _MAX_RESTARTS or self._refused_to_start():
            return False
        self._process = self._start()
        self.announce()
        return True

    def announce(self) -> None:
        """Print its process group."""
        _write_line(self._process.pid)

    @property
    def exit_code(self) -> int:
        """Its exit code; 1 after a death by signal."""
        return max(self._process.returncode or 0, 1)

    def stop(self) -> None:
        """Let it finish the pages in hand, then kill what is left of it."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
        self._end_group()

    def _start(self) -> subprocess.Popen[bytes]:
        celery = ("worker", "--without-gossip", "--without-mingle")
        command = python_command("producer.run.embedded_worker", str(self._lock), *celery)
        return subprocess.Popen(
            [*command, *self._options],
            # Closed when this process ends, also by a kill.
            stdin=subprocess.PIPE,
            pass_fds=[self._lock],
            stdout=self._log,
            stderr=self._log,
            env=child_environment(LEAFMARK_REDIS_URL=self._redis_url, LEAFMARK_LOG_FORMAT="text"),
            start_new_session=True,
        )

    def _refused_to_start(self) -> bool:
        """Return whether its own checks ended it (`worker.preflight`), so that a restart gives the same."""
        return self._process.returncode > 1

    def _end_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


def serve(root: Path, processes: int, asking: Sequence[str] = ()) -> int:
    """Run broker and workers until standard input closes or SIGTERM comes.

    Waits until the workers of an earlier run are gone: after a kill -9 they finish their pages first.

    Returns:
        The exit code: 0 after a stop, otherwise that of the worker that could not be kept alive.
    """
    from producer.run.embedded_broker import embedded_broker  # noqa: PLC0415  # slow to import; only this process needs it

    # The workers report wrong settings.
    provider = load_settings(warn=bool).provider
    threads = _LOCAL_ASKING_THREADS if is_local(provider) else MODEL_THREADS

    stopping, wake = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(wake, b"."))
    with (
        file_lock(root / SUPERVISOR_LOCK, GRACE_SECONDS * 2) as lock,
        embedded_broker(root / BROKER_FOLDER) as broker,
        append_to_regular(root / WORKER_LOG) as log,
    ):
        workers: list[Worker] = []
        try:
            workers.extend(
                Worker(broker.url, lock, options, log) for options in _worker_options(processes, asking, threads)
            )
            # From the first worker on, the broker is ended even if this process and its parent are killed.
            _write_line(broker.url)
            for worker in workers:
                worker.announce()
            while not select.select([sys.stdin, stopping], [], [], _POLL_SECONDS)[0]:
                broker.keep_alive()
                for worker in workers:
                    if not worker.keep_alive():
                        return worker.exit_code
        finally:
            for worker in workers:
                worker.stop()
    return 0


def _worker_options(processes: int, asking: Sequence[str], threads: int = MODEL_THREADS) -> list[list[str]]:
    """Return the options of each worker: one for stages that compute, and one for stages that call a model."""
    others = [name for name in STAGES if not uses_model(name)]
    computing = ["--hostname=computing@%h", "--concurrency", str(processes)]
    if not asking:
        return [computing]
    waiting = ["--hostname=asking@%h", "--pool=threads", "--concurrency", str(threads)]
    return [[*computing, "-Q", ",".join(others)], [*waiting, "-Q", ",".join(asking)]]


def _write_line(line: object) -> None:
    """Write a line to the parent, which may be gone."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), f"{line}\n".encode())


def main(root: Path, processes: int, asking: Sequence[str]) -> int:
    """Run `serve`; if the storage fails, print one line with the reason.

    Returns:
        The exit code.
    """
    try:
        return serve(root, processes, asking)
    except OSError as error:
        failure = storage_error(error, root)
        report_failure(root, str(failure))
        sys.stderr.write(f"leafmark worker: {failure}\n")
        return failure.exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
