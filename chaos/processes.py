"""End every process of a run: each carries the token of the run in its environment."""

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
    """Set a token that every process started from now on inherits, and return it."""
    token = secrets.token_hex(8)
    os.environ[TOKEN_VARIABLE] = token
    return token


def marked(token: str) -> Iterator[psutil.Process]:
    """Yield the processes that carry the token, except this one and its warden."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_ours = process.environ().get(TOKEN_VARIABLE) == token
            if is_ours and process.pid != os.getpid() and _MODULE not in process.cmdline():
                yield process


def end_all(token: str) -> int:
    """Kill every process that carries the token, until there is none; return their number."""
    ended = 0
    while found := [process for process in marked(token) if process.status() != psutil.STATUS_ZOMBIE]:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=5)
        ended += len(found)
    return ended


class Warden:
    """A process that outlives this one, and ends the others if this one is killed."""

    def __init__(self, token: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, token], stdin=subprocess.PIPE, start_new_session=True
        )

    def dismiss(self) -> None:
        """End all processes of the run, and the warden."""
        self._process.communicate()


def main() -> None:
    """Wait until the parent ends and closes the pipe; then end every process that carries the token."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.read()
    end_all(sys.argv[1])


if __name__ == "__main__":
    main()
