"""The clock of the model test: time passes when the test says so, for leases and for our own waiting."""

import sys
from types import ModuleType
from typing import Any

import pytest

import checkpointing.coordinator
import checkpointing.locks
import worker.queue.claims

_START = 1_700_000_000.0


class Clock:
    """Stands in for the module `time` where leases are counted or a lock is waited for."""

    def __init__(self) -> None:
        self.now = _START

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.modules["time"], name)

    def rule(self, patch: pytest.MonkeyPatch) -> None:
        """Take the place of `time` in the fake server, and in ours where what is waited for is a paused process."""
        for module in (*_fake_server(), checkpointing.coordinator, checkpointing.locks):
            patch.setattr(module, "time", self)
        # Not all of `time` there: the keepers that earlier tests of this process have left behind sleep by it.
        patch.setattr(worker.queue.claims, "_clock", self.monotonic)


def _fake_server() -> list[ModuleType]:
    clock = sys.modules["time"]
    return [
        module
        for name, module in sys.modules.items()
        if name.startswith("fakeredis") and getattr(module, "time", None) is clock
    ]
