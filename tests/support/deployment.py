"""A deployment of its own for one test: storage, settings, real workers, the real command line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis

from tests.support.command_line import run_command
from tests.support.waiting import HANG_SECONDS, exit_code_of, wait_until
from worker.keys import Keys

Process = subprocess.Popen[bytes]
Finished = subprocess.CompletedProcess[str]
# Without progress: a book may take as long as it likes.
CLI_SECONDS = 100
PRODUCER = [sys.executable, "-m", "producer.cli"]
WORKER = [sys.executable, "-m", "celery", "-A", "worker", "worker"]
WORKLOAD_PRODUCER = [sys.executable, "-m", "tests.support.workload"]
WORKLOAD_WORKER = [sys.executable, "-m", "celery", "-A", "tests.support.workload", "worker"]


class Deployment:
    """Storage in one folder, a broker at one URL, and the processes started for it.

    Args:
        folder: for the storage root and the logs.
        redis_url: the broker.
        stage: the one that tests are about: `ocr` as shipped, or `work` of `tests.support.workload`.
    """

    def __init__(self, folder: Path, redis_url: str, stage: str = "ocr") -> None:
        self.root = folder / "scans"
        self.stage = stage
        self._worker = WORKER if stage == "ocr" else WORKLOAD_WORKER
        self._producer = PRODUCER if stage == "ocr" else WORKLOAD_PRODUCER
        self.root.mkdir(parents=True)
        self.keys = Keys()
        self.redis: Redis = Redis.from_url(redis_url)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LEAFMARK_")},
            "LEAFMARK_CONFIG": "",
            "LEAFMARK_STORAGE_ROOT": str(self.root),
            "LEAFMARK_REDIS_URL": redis_url,
            "PYTHONWARNINGS": "default",
            "COLUMNS": "200",
        }
        self.journal = folder / "journal"
        self._folder = folder
        self._processes: list[Process] = []
        self._workers: list[Process] = []

    def producer(self, *arguments: str | Path, expect: int = 0, **environment: str) -> Finished:
        """Run a producer command to its end and insist on its exit code."""
        words = [str(argument) for argument in arguments]
        done = run_command(
            self._producer[-1], words, {**self.environment, **environment}, CLI_SECONDS, self.progress
        )
        assert done.returncode == expect, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def producer_from_its_start(self, *arguments: str | Path) -> None:
        """The same with a new interpreter, as a person's is: for those who measure how long it takes."""
        command = [*self._producer, *map(str, arguments)]
        subprocess.run(command, capture_output=True, timeout=HANG_SECONDS, env=self.environment, check=True)

    def start(self, command: list[str], **environment: str) -> Process:
        """Start a process in a session of its own; its output goes to a log that `logs()` shows."""
        with self._log_path(len(self._processes)).open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self.environment, **environment},
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def start_worker(self, processes: int = 1, *options: str, **environment: str) -> Process:
        """Start a worker with a pool of so many processes, without a second for neighbours."""
        name = f"--hostname=w{len(self._processes)}@%h"
        command = [*self._worker, "--without-gossip", "--without-mingle", f"--concurrency={processes}", name]
        return self._start_worker([*command, *options], **environment)

    def start_worker_of(self, application: str, *options: str) -> Process:
        """Start a worker of another Celery application."""
        return self._start_worker([sys.executable, "-m", "celery", "-A", application, "worker", *options])

    def start_module(self, module: str, *arguments: str) -> Process:
        """Start a module as a process."""
        return self.start([sys.executable, "-m", module, *arguments])

    def wait_until_ready(self) -> None:
        """Wait until every process started so far, workers all of them, takes tasks."""
        count = len(self._processes)
        logs = [self._log_path(number) for number in range(count)]
        self.wait(lambda: all(" ready." in log.read_text() for log in logs), 60, f"{count} workers to be ready")

    def kill(self, process: Process) -> None:
        """`kill -9` a process, and the pool processes that it leaves behind."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def checkpoint(self, scan_id: str) -> dict[str, Any]:
        """The checkpoint of the stage as it stands; empty before there is one."""
        path = self.root / scan_id / "checkpoints" / f"{self.stage}.json"
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
        return found

    def completed(self, scan_id: str) -> set[int]:
        """The pages that the checkpoint names complete."""
        return set(self.checkpoint(scan_id).get("completed_pages", []))

    def wait_for_pages(self, scan_id: str, count: int, timeout: float = 60) -> set[int]:
        """Wait until so many pages are complete; returns them."""
        self.wait(lambda: len(self.completed(scan_id)) >= count, timeout, f"{count} complete pages of {scan_id}")
        return self.completed(scan_id)

    def wait_for_status(self, scan_id: str, status: str, timeout: float = 80) -> dict[str, Any]:
        """Wait until the stage stands so; returns the checkpoint."""
        self.wait(lambda: self.checkpoint(scan_id).get("status") == status, timeout, f"{scan_id} to be {status}")
        return self.checkpoint(scan_id)

    def outputs(self, scan_id: str) -> dict[int, tuple[int, bytes]]:
        """Each output's time of modification in ns and its bytes, by page."""
        folder = self.root / scan_id / self.stage
        found = {}
        for path in folder.glob("page_*.json"):
            found[int(path.stem.removeprefix("page_"))] = (path.stat().st_mtime_ns, path.read_bytes())
        return found

    def pages_done_in_logs(self, scan_id: str) -> list[int]:
        """The pages that workers really worked on, one entry each time, from the scan's logs."""
        lines = []
        for path in (self.root / scan_id / "logs").glob(f"{self.stage}_*.jsonl"):
            lines += [json.loads(line) for line in path.read_text().splitlines()]
        return sorted(line["page"] for line in lines if line["message"] == "page complete")

    def insist_on_pages_done(self, scan_id: str, pages: Iterable[int]) -> None:
        """Insist that workers really worked on these pages and no others, each as often as it is named.

        The line about a page is written once the page is handed over, and may be a moment behind the checkpoint.
        """
        wanted = sorted(pages)
        self.wait(lambda: len(self.pages_done_in_logs(scan_id)) >= len(wanted), 10, "their lines in the logs")
        assert self.pages_done_in_logs(scan_id) == wanted

    def attempts(self, scan_id: str, event: str = "begin") -> list[int]:
        """The pages that the `work` stage has begun (or ended), one entry each time, in the journal's order."""
        lines = [line for path in self.journal.glob("*.jsonl") for line in path.read_text().splitlines()]
        noted = sorted((json.loads(line) for line in lines), key=lambda each: each["time"])
        return [note["page"] for note in noted if (note["scan_id"], note["event"]) == (scan_id, event)]

    def logs(self) -> str:
        """What the started processes have printed, for a failure's message."""
        return "\n".join(
            f"--- process {number}\n{self._log_path(number).read_text(errors='replace')[-4000:]}"
            for number in range(len(self._processes))
        )

    def stop(self) -> None:
        """End what was started: workers at once, because Celery takes two seconds to stop one that is idle."""
        for worker in self._workers:
            if worker.poll() is None:
                self.kill(worker)
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                exit_code_of(process, 20)
            except AssertionError:
                self.kill(process)
        self.redis.close()

    def wait(self, predicate: Callable[[], object], timeout: float, description: str, every: float = 0.02) -> None:
        """Wait for a condition, as long as there is progress; a failure shows the logs."""
        try:
            wait_until(predicate, timeout, description, every, self.progress)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    def wait_for_exit(self, process: Process, timeout: float = 60) -> int:
        """Wait for a process to end, as long as there is progress; returns its exit code."""
        try:
            return exit_code_of(process, timeout, self.progress)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    def progress(self) -> list[tuple[str, int, int]]:
        """What changes while anything is done: the files of the deployment, with size and time of modification."""
        found = []
        for folder, _, names in os.walk(self._folder):
            for name in names:
                # A temp file may be gone by now.
                with suppress(OSError):
                    status = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118  # of thousands of files
                    found.append((name, status.st_size, status.st_mtime_ns))
        return sorted(found)

    def _start_worker(self, command: list[str], **environment: str) -> Process:
        worker = self.start(command, **environment)
        self._workers.append(worker)
        return worker

    def _log_path(self, number: int) -> Path:
        return self._folder / f"process-{number}.log"


@contextmanager
def deployment_in(folder: Path, redis_url: str, stage: str = "ocr") -> Iterator[Deployment]:
    """A deployment for the length of a `with` block."""
    deployment = Deployment(folder, redis_url, stage)
    try:
        yield deployment
    finally:
        deployment.stop()
