"""Completion in a real zsh, where one is installed."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.program import PROGRAMS

ZSH = shutil.which("zsh")
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.skipif(ZSH is None or not (BIN / "producer").exists(), reason="needs zsh")


class Terminal:
    """A zsh on a terminal of its own, started as a user's is."""

    def __init__(self, home: Path) -> None:
        self._fd, other = pty.openpty()
        self._process = subprocess.Popen(
            [str(ZSH), "-i"],
            stdin=other,
            stdout=other,
            stderr=other,
            env=_environment(home),
            cwd=home,
            start_new_session=True,
        )
        os.close(other)

    def type_in(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def read_until(self, text: str, seconds: float = 30) -> str:
        """Return what was printed, as soon as it holds a text, or after so many seconds."""
        shown, end = "", time.monotonic() + seconds
        while text not in shown and time.monotonic() < end:
            if select.select([self._fd], [], [], 0.2)[0]:
                shown += os.read(self._fd, 4096).decode(errors="replace")
        return shown

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._fd)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which completion was installed, and a short prompt."""
    (tmp_path / ".zshrc").write_text("PS1='ready> '\nunsetopt zle_bracketed_paste\n")
    command = [str(BIN / "producer"), "--install-completion", "zsh"]
    subprocess.run(command, env=_environment(tmp_path), check=True, capture_output=True)
    return tmp_path


@pytest.fixture
def terminal(home: Path) -> Iterator[Terminal]:
    opened = Terminal(home)
    try:
        assert "ready> " in opened.read_until("ready> ")
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_first_tab_of_a_new_zsh_completes(terminal: Terminal, program: str) -> None:
    terminal.type_in(f"{program} stat\t")
    assert f"{program} status" in terminal.read_until("status")


def test_descriptions_keep_their_apostrophes(terminal: Terminal) -> None:
    terminal.type_in("producer re\t")
    assert "Write a scan's report" in terminal.read_until("HTML file")


def _environment(home: Path) -> dict[str, str]:
    path = f"{BIN}:/usr/bin:/bin"
    return {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8", "TERM": "xterm", "COLUMNS": "200"}
