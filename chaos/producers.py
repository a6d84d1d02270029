"""Producers: they enqueue scans, and repeat the command when it fails, as its message asks."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from chaos.history import Log

_REPOSITORY = Path(__file__).parents[1]
_REPEAT_SECONDS = 1.5
_UNEXPECTED = 1


class Producer:
    """A running `producer enqueue`."""

    def __init__(self, scan_id: str, process: subprocess.Popen[str], log: Path) -> None:
        self.scan_id = scan_id
        self.process = process
        self.started = time.time()
        self.log = log


class Producers:
    """Starts producers until every scan that needs it was enqueued once without an error.

    Args:
        application: module of the command line.
        environment: their environment.
        log_folder: folder for their output.
        log: log of the run.
    """

    def __init__(self, application: str, environment: Mapping[str, str], log_folder: Path, log: Log) -> None:
        self.running: list[Producer] = []
        self.unexpected: list[str] = []
        self._command = [sys.executable, "-m", application, "enqueue"]
        self._arguments: dict[str, list[str]] = {}
        self._environment = environment
        self._log_folder = log_folder
        self._log = log
        self._count = 0
        self._needed_since: dict[str, float] = {}
        self._repeat_at: dict[str, float] = {}

    @property
    def open_needs(self) -> set[str]:
        """The scans that still need to be enqueued."""
        return set(self._needed_since)

    def introduce(self, scan_id: str, arguments: list[str]) -> None:
        """Set the arguments of the command for a scan."""
        self._arguments[scan_id] = arguments

    def need(self, scan_id: str) -> None:
        """Require that this scan is enqueued from now on."""
        self._needed_since[scan_id] = time.time()

    def start(self, scan_id: str) -> Producer:
        """Start a producer that enqueues a scan."""
        self._count += 1
        path = self._log_folder / f"producer-{self._count}.log"
        with path.open("wb") as output:
            process = subprocess.Popen(
                [*self._command, scan_id, *self._arguments[scan_id], "--debug"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                cwd=_REPOSITORY,
                start_new_session=True,
                text=True,
            )
        producer = Producer(scan_id, process, path)
        self.running.append(producer)
        self._log.write("producer started", scan_id=scan_id, pid=process.pid, log=path.name)
        return producer

    def satisfy(self) -> None:
        """Start producers that are needed, or repeat them after a pause. To be called often."""
        busy = {producer.scan_id for producer in self.running}
        for scan_id in self.open_needs - busy:
            if time.monotonic() >= self._repeat_at.get(scan_id, 0):
                self._repeat_at[scan_id] = time.monotonic() + _REPEAT_SECONDS
                self.start(scan_id)

    def tend(self) -> None:
        """Handle producers that have ended. To be called often."""
        for producer in [each for each in self.running if each.process.poll() is not None]:
            self.running.remove(producer)
            code = producer.process.returncode
            self._log.write("producer ended", scan_id=producer.scan_id, pid=producer.process.pid, code=code)
            if code == 0 and producer.started >= self._needed_since.get(producer.scan_id, 0):
                self._needed_since.pop(producer.scan_id, None)
            if code == _UNEXPECTED:
                last_line = producer.log.read_text(errors="replace").strip().rpartition("\n")[2]
                self.unexpected.append(
                    f"a producer ended with an unexpected error ({producer.log.name}): {last_line}"
                )
