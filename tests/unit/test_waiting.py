"""A wait ends by progress: how long it is patient, and with what."""

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from tests.support import waiting
from tests.support.waiting import exit_code_of, wait_until


class Machine:
    """A clock that only sleeping moves, and the load of the machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.load = 0.0
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep)
        monkeypatch.setattr(waiting, "time", clock)
        monkeypatch.setattr(waiting.os, "getloadavg", lambda: (self.load, 0.0, 0.0))
        monkeypatch.setattr(waiting.os, "cpu_count", lambda: 2)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def seconds_until_it_gives_up(self, timeout: float, progress: Callable[[], object] | None = None) -> float:
        started = self.now
        with pytest.raises(AssertionError, match="without progress for: something"):
            wait_until(lambda: False, timeout, "something", every=0.5, progress=progress)
        return self.now - started


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_without_progress_it_gives_up_after_its_time(machine: Machine) -> None:
    assert machine.seconds_until_it_gives_up(60) == pytest.approx(60, abs=1.5)


def test_a_short_time_is_made_long_enough_for_a_machine_that_stalls(machine: Machine) -> None:
    assert machine.seconds_until_it_gives_up(0.5) == pytest.approx(30, abs=1.5)


@pytest.mark.parametrize("load", [10.0, 40.0])
def test_a_machine_that_many_processes_share_has_that_much_more_time(machine: Machine, load: float) -> None:
    machine.load = load
    assert machine.seconds_until_it_gives_up(60) == pytest.approx(60 * load / 2, rel=0.05)


def test_as_long_as_something_changes_it_goes_on(machine: Machine) -> None:
    wait_until(lambda: machine.now > 1150, 60, "the book", every=0.5, progress=lambda: machine.now // 50)
    assert machine.now > 1150


def test_it_gives_up_its_time_after_the_last_change(machine: Machine) -> None:
    waited = machine.seconds_until_it_gives_up(60, progress=lambda: min(machine.now // 10, 108))
    assert waited == pytest.approx(80 + 60, abs=2)


def test_what_changes_for_ever_and_gets_nowhere_is_given_up_as_well(machine: Machine) -> None:
    assert machine.seconds_until_it_gives_up(60, progress=lambda: machine.now) == pytest.approx(300, abs=2)


def test_the_exit_code_of_a_process_that_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"]) as process:
        assert exit_code_of(process) == 7
