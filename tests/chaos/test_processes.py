import subprocess
import sys
from collections.abc import Iterator

import pytest

from chaos.processes import TOKEN_VARIABLE, end_all, mark, marked
from tests.support.waiting import wait_until

_SLEEPER = "import time; time.sleep(600)"
_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_SLEEPER!r}], start_new_session=True)"
_HARNESS = f"""
import subprocess, sys, time
from chaos.processes import Warden, mark
token = mark()
warden = Warden(token)
subprocess.Popen([sys.executable, "-c", {_PARENT!r}], start_new_session=True)
print(token, flush=True)
time.sleep(600)
"""


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv(TOKEN_VARIABLE, "")
    made = mark()
    yield made
    end_all(made)


def wait_for(token: str, count: int) -> None:
    wait_until(lambda: len(list(marked(token))) == count, 10, f"{count} processes of ours")


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", _SLEEPER], env={}) as process:
        yield process
        process.kill()


def test_processes_are_ended_whatever_their_session_and_others_are_left(
    token: str, stranger: subprocess.Popen[bytes]
) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], start_new_session=True):
        wait_for(token, 2)
        assert end_all(token) == 2
    assert not list(marked(token))
    assert stranger.poll() is None


def test_the_warden_ends_them_when_the_harness_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _HARNESS], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        token = harness.stdout.readline().strip()
        wait_for(token, 2)
        harness.kill()
    wait_for(token, 0)
