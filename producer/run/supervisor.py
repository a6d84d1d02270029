"""Everything that `producer run` needs behind the scenes: an embedded broker and its workers, as one process.

It lives exactly as long as whoever started it: its standard input is a pipe that nobody writes to, and when the
other end closes, because the starter is done or was killed, everything here is stopped. So nothing is orphaned.
Its workers have such a pipe too, and end by themselves if this process is killed (`producer.run.embedded_worker`).

`python -m producer.run.supervisor ROOT WORKERS [STAGE ...]` prints the broker's URL on stdout once the workers are
started, and then the process group of each: whoever sees it killed with -9 can end those. The stages named ask
a model, which is waiting and no work: they get a worker of their own, with many threads.
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
_MOST_RESTARTS = 5
# A worker that is asked to stop finishes the page in hand first.
GRACE_SECONDS = 25.0
# A server on one's own machine takes a few calls at once; the pages of the others would only seem to be in hand.
_LOCAL_ASKING_THREADS = 8


def worker_log(root: Path) -> Path:
    """Where the workers' console lines go."""
    return root / OWN_FOLDER / "worker.log"


def broker_folder(root: Path) -> Path:
    """Where the embedded broker keeps its files."""
    return root / OWN_FOLDER / "valkey"


def supervisor_lock(root: Path) -> Path:
    """The file whose lock is held while the processes of a run live."""
    return root / OWN_FOLDER / "backstage.lock"


class Worker:
    """A Celery worker with its pool, in a process group of its own.

    Args:
        redis_url: the broker.
        lock: descriptor of the lock that it is to hold as long as it lives.
        options: say what it serves, and how many pages at once.
        log: file that its console lines are appended to.
    """

    def __init__(self, redis_url: str, lock: int, options: Sequence[str], log: IO[bytes]) -> None:
        self._redis_url = redis_url
        self._lock = lock
        self._options = options
        self._log = log
        self._restarts = 0
        self._process = self._start()

    def keep_alive(self) -> bool:
        """Start it again if it died; False when it dies again and again."""
        if self._process.poll() is None:
            return True
        self._end_group()
        self._restarts += 1
        if self._restarts > _MOST_RESTARTS or self._refused_to_start():
            return False
        self._process = self._start()
        self.announce()
        return True

    def announce(self) -> None:
        """Print its process group."""
        _tell(self._process.pid)

    @property
    def exit_code(self) -> int:
        """What it ended with; a death by signal counts as 1."""
        return max(self._process.returncode or 0, 1)

    def stop(self) -> None:
        """Let it finish the pages in hand, then see that nothing of it is left."""
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
            # Closed by the end of this process, however it ends.
            stdin=subprocess.PIPE,
            pass_fds=[self._lock],
            stdout=self._log,
            stderr=self._log,
            env=child_environment(LEAFMARK_REDIS_URL=self._redis_url, LEAFMARK_LOG_FORMAT="text"),
            start_new_session=True,
        )

    def _refused_to_start(self) -> bool:
        """Its own checks ended it (see `worker.preflight`): trying again gives the same."""
        return self._process.returncode > 1

    def _end_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


def serve(root: Path, processes: int, asking: Sequence[str] = ()) -> int:
    """Run broker and workers until standard input closes or SIGTERM comes.

    It begins once those of an earlier run are gone: where that was killed with -9 they finish their pages yet.

    Returns:
        The exit code: 0 when asked to stop, otherwise that of the worker that could not be kept alive.
    """
    from producer.run.embedded_broker import embedded_broker  # noqa: PLC0415  # slow to import; only this process needs it

    # What is wrong with settings the workers say.
    provider = load_settings(warn=bool).provider
    threads = _LOCAL_ASKING_THREADS if is_local(provider) else MODEL_THREADS

    stopping, wake = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(wake, b"."))
    with (
        file_lock(supervisor_lock(root), GRACE_SECONDS * 2) as lock,
        embedded_broker(broker_folder(root)) as broker,
        append_to_regular(worker_log(root)) as log,
    ):
        workers: list[Worker] = []
        try:
            workers.extend(
                Worker(broker.url, lock, options, log) for options in _worker_options(processes, asking, threads)
            )
            # Once there is a worker, the broker is ended even where this process and its parent are killed.
            _tell(broker.url)
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
    """The options of each worker: one for what computes, and one for what waits for a model."""
    others = [name for name in STAGES if not uses_model(name)]
    computing = ["--hostname=computing@%h", "--concurrency", str(processes)]
    if not asking:
        return [computing]
    waiting = ["--hostname=asking@%h", "--pool=threads", "--concurrency", str(threads)]
    return [[*computing, "-Q", ",".join(others)], [*waiting, "-Q", ",".join(asking)]]


def _tell(line: object) -> None:
    """Write a line to whoever started us, who may be gone."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), f"{line}\n".encode())


def main(root: Path, processes: int, asking: Sequence[str]) -> int:
    """Serve as `serve` does, and say in one line why not where the storage fails.

    Returns:
        The exit code.
    """
    try:
        return serve(root, processes, asking)
    except OSError as error:
        said = storage_error(error, root)
        # As a worker begins the line that says why it ended: `producer run` shows it.
        sys.stderr.write(f"leafmark worker: {said}\n")
        return said.exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
