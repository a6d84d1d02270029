"""What ends a command early: Ctrl-C, a signal, or the death of the process that started it."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType


class InterruptedRunError(KeyboardInterrupt):
    """Ctrl-C, SIGTERM, SIGHUP, or the death of the parent process."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an interrupt like Ctrl-C, so that everything is stopped in order.

    A SIGHUP that is ignored (`nohup`) stays ignored.
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
    """Detects the death of the parent process: no signal arrives when that is killed with -9.

    Does nothing under `nohup`, whose purpose is to outlive the parent.
    """

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._watches = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def check(self) -> None:
        """Check that the parent is alive.

        Raises:
            InterruptedRunError: it is not.
        """
        if self._watches and os.getppid() != self._parent:
            raise InterruptedRunError
