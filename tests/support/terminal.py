"""A command on a pseudo-terminal of its own, as a person has it: it can be typed at, resized and read."""

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

from tests.support.waiting import wait_until

_CONTROL = re.compile(r"\x1b(?:\[[?\d;]*[A-Za-z]|\][^\x07]*\x07|[()].)")
# What a new frame of a full-screen view begins with.
_HOME = "\x1b[H"
# Takes the terminal as the controlling one, which is what makes a typed Ctrl-C a signal.
_TAKE = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"


class Terminal:
    """A command on a terminal.

    Args:
        command: with its arguments.
        environment: all of it.
        columns, lines: of the terminal.
    """

    def __init__(self, command: list[str], environment: dict[str, str], columns: int, lines: int) -> None:
        self._ours, theirs = os.openpty()
        self.resize(columns, lines)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TAKE, *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=as_of_a_person(environment),
            start_new_session=True,
        )
        os.close(theirs)
        self._read: list[bytes] = []
        self._reader = threading.Thread(target=self._keep_reading)
        self._reader.start()

    @property
    def written(self) -> str:
        """Everything that was written so far, control sequences included."""
        return b"".join(self._read).decode(errors="replace")

    @property
    def text(self) -> str:
        """The same without control sequences."""
        return plain(self.written)

    @property
    def frame(self) -> list[str]:
        """The lines of the last frame that was drawn whole."""
        frames = self.written.split(_HOME)
        return plain(frames[-2]).splitlines() if len(frames) > 2 else []

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size; the command hears of it."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def wait_for(self, predicate: Callable[[Self], object], timeout: float, description: str) -> None:
        """Wait for something to be shown; a failure shows what was."""
        try:
            wait_until(lambda: predicate(self), timeout, description)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text[-4000:]}") from None

    def close(self) -> None:
        """End the command and let go of the terminal."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        os.close(self._ours)

    def _keep_reading(self) -> None:
        # Linux says EIO where the other end of a terminal is closed, others say end of file.
        with suppress(OSError):
            while part := os.read(self._ours, 65536):
                self._read.append(part)


def as_of_a_person(environment: dict[str, str]) -> dict[str, str]:
    """An environment without what asks for plain lines, or names another size than the terminal's."""
    others = {
        name: value for name, value in environment.items() if name not in {"CI", "NO_COLOR", "COLUMNS", "LINES"}
    }
    return {**others, "TERM": "xterm"}


def plain(text: str) -> str:
    """A text without control sequences."""
    return _CONTROL.sub("", text)


@contextmanager
def on_a_terminal(
    command: list[str], environment: dict[str, str], columns: int = 100, lines: int = 30
) -> Iterator[Terminal]:
    """A command on a terminal for the length of a `with` block."""
    terminal = Terminal(command, environment, columns, lines)
    try:
        yield terminal
    finally:
        terminal.close()
