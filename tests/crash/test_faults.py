"""Storage that fails at any system call: a clear error, nothing half-written, nothing leaked, and then success."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from tests.crash.checkpoint_commit import CheckpointCommit
from tests.crash.enduring import endure
from tests.crash.faults import ERRORS, SHORT_WRITE, Faults
from tests.crash.page_save import OLD, PageSave
from tests.crash.resume import Resume
from tests.crash.syscalls import READS

Record = Callable[[str, object], None]
_OF_READING = (errno.EIO, errno.EACCES)
_SOME = (errno.ENOSPC, errno.EIO)


def every_fault(errors: tuple[int, ...] = ERRORS) -> list[Faults]:
    """Each call that changes something fails with each error, one that reads with those that reading gives."""
    once = [Faults(error, concerns=lambda call: call.name not in READS) for error in errors]
    reads = [Faults(error, concerns=lambda call: call.name in READS) for error in _OF_READING]
    return [*once, *reads, Faults(errno.EIO, lasting=True), Faults(SHORT_WRITE)]


@pytest.mark.parametrize("old", [None, OLD], ids=["nothing", "an older output"])
def test_a_page_save(tmp_path: Path, record_property: Record, old: None) -> None:
    points = endure(PageSave(tmp_path, old), *every_fault())
    record_property("figure", f"fault points, page save over {'an older output' if old else 'nothing'}: {points}")


@pytest.mark.parametrize("earlier", [False, True], ids=["the first", "a later one"])
def test_a_commit(tmp_path: Path, redis: Redis, record_property: Record, earlier: bool) -> None:
    scene = CheckpointCommit(tmp_path, redis, earlier=earlier)
    # The first commit makes a part of the calls of a later one.
    points = endure(scene, *every_fault(ERRORS if earlier else _SOME))
    record_property("figure", f"fault points, checkpoint commit, {'later' if earlier else 'first'}: {points}")


@pytest.mark.usefixtures("stamp_stage")
def test_a_resume(tmp_path: Path, redis: Redis, record_property: Record) -> None:
    once = Faults(errno.EIO, concerns=lambda call: call.name not in READS)
    points = endure(Resume(tmp_path, redis), once)
    record_property("figure", f"fault points, resume: {points}")
