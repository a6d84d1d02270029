"""The workers, and their restart when they die."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from chaos.history import Log, busy_pids
from chaos.mode import Mode

_RESTART_SECONDS = 0.7
_POOLS = ("prefork", "threads")
# The longest need renewed claims.
_PAGE_SECONDS = (0.05, 0.1, 0.1, 0.3, 1.0, 2.0, 4.0)
_SLOW_STOP_SECONDS = 45.0
_REPOSITORY = Path(__file__).parents[1]


class Worker:
    """One place in the fleet; its process changes with every restart."""

    def __init__(self, number: int, mode: Mode) -> None:
        self.number = number
        self._mode = mode
        self.pool = _POOLS[number % len(_POOLS)]
        self.process: subprocess.Popen[bytes] | None = None
        self.stopping_since: float | None = None
        self.start_at = 0.0
        self.log_size_at_start = 0
        self.is_ready = False
        self._rng = random.Random(f"worker {mode.seed} {number}")

    def command(self) -> list[str]:
        options = [
            "-Q",
            ",".join(self._mode.queues),
            "--pool",
            self.pool,
            f"--concurrency={self._mode.concurrency[self.pool]}",
            f"--hostname=w{self.number}@%h",
        ]
        return [sys.executable, "-m", "celery", "-A", self._mode.application, "worker", *options]

    def draw_page_seconds(self) -> float:
        return self._rng.choice(_PAGE_SECONDS)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def main_pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def child_pids(self) -> list[int]:
        """Return the processes of its pool; none for a pool of threads."""
        with suppress(psutil.Error):
            return [child.pid for child in psutil.Process(self.main_pid()).children(recursive=True)]
        return []


class Fleet:
    """Keeps a number of workers alive.

    Args:
        count: number of workers.
        mode: what they do; its seed decides how long a page takes in which worker.
        environment: their environment; names the journal.
        log_folder: folder for their output.
        log: log of the run.
    """

    def __init__(self, count: int, mode: Mode, environment: Mapping[str, str], log_folder: Path, log: Log) -> None:
        self.workers = [Worker(number, mode) for number in range(count)]
        self.slow_stops = 0
        self._environment = environment
        self._journal = Path(environment["WORK_JOURNAL"])
        self._log_folder = log_folder
        self._log = log
        self._roll: list[Worker] = []
        self._keeps_up = True

    def tend(self) -> None:
        """Start missing workers, and go on with a rolling restart. To be called often."""
        for worker in self.workers:
            if worker.alive:
                worker.is_ready = worker.is_ready or self._says_ready(worker)
                self._kill_if_slow_to_stop(worker)
            elif worker.process is not None:
                self._note_end(worker)
            elif self._keeps_up and time.monotonic() >= worker.start_at:
                self._start(worker)
        if self._roll and all(worker.is_ready and worker.stopping_since is None for worker in self.workers):
            self.stop_one(self._roll.pop(0))

    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.alive]

    def busy(self, pids: Sequence[int]) -> list[int]:
        """Return those of the processes that have a page in hand."""
        found = busy_pids(self._journal, pids)
        return [pid for pid in pids if pid in found]

    def stop_one(self, worker: Worker) -> None:
        """Send SIGTERM: the worker finishes the page in hand."""
        if worker.alive and worker.stopping_since is None:
            worker.stopping_since = time.monotonic()
            os.kill(worker.main_pid(), signal.SIGTERM)

    def roll(self) -> None:
        """Begin a rolling restart: each worker is stopped when the one before is back."""
        self._roll = list(self.workers)

    def stop(self, timeout: float) -> None:
        """Stop all workers; kill those that take too long."""
        self._keeps_up = False
        self._roll = []
        for worker in self.workers:
            self.stop_one(worker)
        deadline = time.monotonic() + timeout
        while self.alive() and time.monotonic() < deadline:
            self.tend()
            time.sleep(0.05)
        for worker in self.alive():
            self.slow_stops += 1
            os.killpg(worker.main_pid(), signal.SIGKILL)

    def _start(self, worker: Worker) -> None:
        seconds = worker.draw_page_seconds()
        with self._log_path(worker).open("ab") as output:
            worker.log_size_at_start = output.tell()
            worker.process = subprocess.Popen(
                worker.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**self._environment, "WORK_SECONDS": str(seconds)},
                cwd=_REPOSITORY,
                start_new_session=True,
            )
        pid = worker.process.pid
        self._log.write("worker started", worker=worker.number, pid=pid, pool=worker.pool, page_seconds=seconds)

    def _log_path(self, worker: Worker) -> Path:
        return self._log_folder / f"worker-{worker.number}.log"

    def _says_ready(self, worker: Worker) -> bool:
        with self._log_path(worker).open("rb") as output:
            output.seek(worker.log_size_at_start)
            return b" ready." in output.read()

    def _note_end(self, worker: Worker) -> None:
        assert worker.process is not None
        self._log.write("worker ended", worker=worker.number, pid=worker.main_pid(), code=worker.process.returncode)
        worker.process, worker.stopping_since, worker.is_ready = None, None, False
        worker.start_at = time.monotonic() + _RESTART_SECONDS

    def _kill_if_slow_to_stop(self, worker: Worker) -> None:
        if worker.stopping_since is not None and time.monotonic() - worker.stopping_since > _SLOW_STOP_SECONDS:
            self.slow_stops += 1
            self._log.write("worker does not stop", worker=worker.number, pid=worker.main_pid())
            os.killpg(worker.main_pid(), signal.SIGKILL)
