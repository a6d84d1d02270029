"""`producer run`: one machine, nothing to install or start. Ingest, enqueue, work, show, stop."""

import contextlib
import fcntl
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from checkpointing.atomic import make_folder
from checkpointing.errors import LeafmarkError, StorageError
from checkpointing.regular_files import append_to_regular, open_regular
from checkpointing.storage_errors import storage_error
from producer.run.supervisor import GRACE_SECONDS, worker_log
from worker.launch.child_processes import child_environment, python_command
from worker.storage.open_stages import OWN_FOLDER

_START_TIMEOUT_SECONDS = 60.0


class InterruptedRunError(KeyboardInterrupt):
    """Ctrl-C, SIGTERM, SIGHUP, or the death of whoever started us."""


class Supervisor:
    """The embedded broker and its workers, in a process that ends when this one does.

    Made at once; `redis_url` waits until the broker is up. So whoever makes one can stop it from the beginning.

    Args:
        root: the storage root; exists.
        processes: how many pages are worked on at once.
        asking: stages that ask a model; these get a worker of many threads of their own.

    Raises:
        StorageError: its log cannot be written.
    """

    def __init__(self, root: Path, processes: int, asking: Sequence[str] = ()) -> None:
        self._log = worker_log(root)
        with _opened_log(self._log) as log:
            self._process = subprocess.Popen(
                python_command("producer.run.supervisor", str(root), str(processes), *asking),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # What is left in a buffer of ours would be lost to `communicate`.
                bufsize=0,
                env=child_environment(LEAFMARK_STORAGE_ROOT=str(root)),
                # Ctrl-C reaches us alone; we stop the others in order.
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
        """Insist that it is still up.

        Raises:
            LeafmarkError: it is not; says why, as its log does.
        """
        code = self._process.poll()
        if code is not None:
            raise self._failure(code)

    def stop(self) -> None:
        """Let the workers finish the pages in hand, then end them and the broker."""
        try:
            said, _ = self._process.communicate(timeout=GRACE_SECONDS * 2)
        except subprocess.TimeoutExpired:
            _kill_group(self._process.pid)
            said, _ = self._process.communicate()
        if self._process.returncode < 0:
            # It hung or was killed, and so stopped nothing: the broker is in its group, and each worker in one
            # that it named.
            for group in (self._process.pid, *map(int, filter(bytes.isdigit, said.split()))):
                _kill_group(group)

    def _failure(self, code: int) -> LeafmarkError:
        lines = self._log.read_text(errors="replace").splitlines()
        own = [line for line in lines if line.startswith("leafmark worker: ")]
        why = own[-1].removeprefix("leafmark worker: ") if own and code > 1 else f"see {self._log}"
        how = f"ended with exit code {code}" if code >= 0 else f"were killed by signal {-code}"
        error = LeafmarkError(f"the workers of this run {how}: {why}")
        error.exit_code = max(code, 1)
        return error


@contextlib.contextmanager
def only_run(root: Path) -> Iterator[None]:
    """Insist on being the only `producer run` on a storage root.

    Raises:
        StorageError: the storage failed; or another one is at work there: says how to use that one.
    """
    path = root / OWN_FOLDER / "run.lock"
    try:
        make_folder(path.parent)
        lock = open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    except OSError as error:
        raise storage_error(error, path) from error
    with os.fdopen(lock, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"another `producer run` works under {root}; wait for its end, or give its workers this scan too: "
                f"LEAFMARK_REDIS_URL={path.read_text().strip() or '(its broker)'} producer enqueue SCAN_ID --wait"
            ) from None
        # An earlier run's broker is gone.
        file.truncate(0)
        yield


def announce_broker(root: Path, redis_url: str) -> None:
    """Leave the broker's URL where the next `producer run` finds it, to tell its user."""
    (root / OWN_FOLDER / "run.lock").write_text(redis_url)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an interrupt, as Ctrl-C is, so that everything is stopped in order.

    A SIGHUP that is ignored (`nohup`) stays so.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise InterruptedRunError

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class ParentWatch:
    """Notices the death of whoever started us: its terminal will not tell when it was killed with -9.

    Under `nohup` it does not look: going on alone is what that is for.
    """

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._watches = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def check(self) -> None:
        """Insist that the parent lives.

        Raises:
            InterruptedRunError: it does not.
        """
        if self._watches and os.getppid() != self._parent:
            raise InterruptedRunError


def _opened_log(path: Path) -> BinaryIO:
    try:
        make_folder(path.parent)
        return append_to_regular(path)
    except OSError as error:
        raise storage_error(error, path) from error


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
