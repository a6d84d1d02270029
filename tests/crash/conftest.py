import os
from collections.abc import Iterator

import pytest

from tests.crash.traced import need_ptrace
from tests.support.stages import StampStage
from worker.stages.registry import STAGES


@pytest.fixture(autouse=True)
def _ptrace_is_there_and_quick() -> Iterator[None]:
    """A test and its traced child take turns at each system call, which is quicker on one processor than on two."""
    need_ptrace()
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(processors)[os.getpid() % len(processors)]})
    yield
    os.sched_setaffinity(0, processors)


@pytest.fixture
def stamp_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the smallest of stages."""
    stage = StampStage()
    monkeypatch.setitem(STAGES, stage.name, stage)
