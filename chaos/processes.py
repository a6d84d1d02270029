"""Ending processes for sure: each that a run starts carries the run's token in its environment."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import psutil

TOKEN_VARIABLE = "LEAFMARK_CHAOS_RUN"  # noqa: S105  # the name of a variable, not a secret
_MODULE = "chaos.processes"


def mark() -> str:
    """Have every process that is started from now on carry a token, which is returned."""
    token = secrets.token_hex(8)
    os.environ[TOKEN_VARIABLE] = token
    return token


def marked(token: str) -> Iterator[psutil.Process]:
    """The processes that carry the token, except this one and its warden."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_ours = process.environ().get(TOKEN_VARIABLE) == token
            if is_ours and process.pid != os.getpid() and _MODULE not in process.cmdline():
                yield process


def end_all(token: str) -> int:
    """Kill every process that carries the token, until there is none.

    Returns:
        How many there were.
    """
    ended = 0
    while found := [process for process in marked(token) if process.status() != psutil.STATUS_ZOMBIE]:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=5)
        ended += len(found)
    return ended


class Warden:
    """A process that outlives this one for a moment, and ends what this one could not: it may be killed itself."""

    def __init__(self, token: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, token], stdin=subprocess.PIPE, start_new_session=True
        )

    def dismiss(self) -> None:
        """End everything, and the warden."""
        self._process.communicate()


def main() -> None:
    """Wait for the end of who started us, by the pipe that it holds; then end what carries the token."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.read()
    end_all(sys.argv[1])


if __name__ == "__main__":
    main()
