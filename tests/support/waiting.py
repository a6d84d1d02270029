"""Waiting for a condition, instead of sleeping and hoping.

A wait is for progress and not for a wall clock. It gives up when what it watches has not changed for its time, and
where many processes share the machine its time is that much longer.
"""

import os
import subprocess
import time
from collections.abc import Callable

Progress = Callable[[], object]
# For what cannot be watched: a command or a thread that takes so long hangs.
HANG_SECONDS = 600.0
_MIN_SECONDS = 30.0
# What goes on changing and gets nowhere, such as a worker that logs the same error for ever.
_MAX_TIMES = 5.0
_PROGRESS_EVERY_SECONDS = 1.0


class Patience:
    """Tells when a wait is to be given up.

    Args:
        seconds: without progress, on a machine that has time; 30 at the least.
        progress: returns something that is equal to what it returned before when nothing has changed. Asked once a
            second. Without it only the time counts.
    """

    def __init__(self, seconds: float, progress: Progress | None = None) -> None:
        self.seconds = max(seconds, _MIN_SECONDS)
        self._progress = progress or (lambda: None)
        self._looked_at = self._asked_at = time.monotonic()
        self._seen: object = None
        self._still = self._in_all = 0.0

    def is_over(self) -> bool:
        """Whether to give up: to be asked often."""
        now = time.monotonic()
        passed = (now - self._looked_at) / processes_a_core()
        self._looked_at = now
        self._still += passed
        self._in_all += passed
        if now - self._asked_at >= _PROGRESS_EVERY_SECONDS:
            self._asked_at = now
            seen = self._progress()
            if seen != self._seen:
                self._seen, self._still = seen, 0.0
        return self._still > self.seconds or self._in_all > _MAX_TIMES * self.seconds


def processes_a_core() -> float:
    """How many processes have shared a core in the last minute; 1 at the least."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_until(
    predicate: Callable[[], object],
    timeout: float,
    description: str,
    every: float = 0.02,
    progress: Progress | None = None,
) -> None:
    """Return as soon as `predicate` holds.

    Args:
        predicate: looked at often.
        timeout: seconds without progress after which the test fails, as `Patience` counts them.
        description: what was waited for, for the failure's message.
        every: seconds between two looks.
        progress: what changes while the condition comes closer, as `Patience` takes it.
    """
    patience = Patience(timeout, progress)
    while not predicate():
        if patience.is_over():
            raise AssertionError(f"waited {patience.seconds:g} s without progress for: {description}")
        time.sleep(every)


def exit_code_of(process: subprocess.Popen[bytes], timeout: float = 60, progress: Progress | None = None) -> int:
    """Wait for a process to end; returns its exit code.

    Args:
        process: that ends by itself.
        timeout: seconds without progress after which the test fails, as `Patience` counts them.
        progress: what changes while it goes on, as `Patience` takes it.
    """
    wait_until(lambda: process.poll() is not None, timeout, f"the end of {process.args!r}", progress=progress)
    return process.wait()
