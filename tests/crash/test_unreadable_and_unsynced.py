"""Storage that cannot read an output, or cannot make a rename durable, and what the next one makes of that."""

import errno
from pathlib import Path

import pytest
from redis import Redis

from tests.crash.checkpoint_commit import CheckpointCommit
from tests.crash.enduring import endure, reads_an_output, syncs_what_was_renamed
from tests.crash.faults import Faults
from tests.crash.resume import Resume
from tests.crash.scene import ready
from tests.crash.syscalls import RENAMES
from tests.crash.traced import traced
from tests.crash.trust import Trust

UNREADABLE = Faults(errno.EIO, concerns=reads_an_output)
UNSYNCED = Faults(errno.EIO, concerns=syncs_what_was_renamed)


def test_a_commit_that_cannot_read_an_output_keeps_its_completion(tmp_path: Path, redis: Redis) -> None:
    endure(CheckpointCommit(tmp_path, redis, earlier=True), UNREADABLE)


@pytest.mark.usefixtures("stamp_stage")
def test_a_resume_that_cannot_read_an_output_loses_no_complete_page(tmp_path: Path, redis: Redis) -> None:
    endure(Resume(tmp_path, redis), UNREADABLE)


def test_a_commit_whose_last_sync_failed_is_synced_by_the_next(tmp_path: Path, redis: Redis) -> None:
    endure(CheckpointCommit(tmp_path, redis, earlier=True), UNSYNCED)


@pytest.mark.usefixtures("stamp_stage")
def test_a_resume_whose_set_aside_was_not_synced_is_synced_by_the_next(tmp_path: Path, redis: Redis) -> None:
    endure(Resume(tmp_path, redis), UNSYNCED)


def test_what_a_dead_coordinator_renamed_is_synced_by_the_next(tmp_path: Path, redis: Redis) -> None:
    scene = CheckpointCommit(tmp_path, redis, earlier=True)

    run = ready(scene)
    trust = Trust()
    with traced(run) as child:
        while (call := child.next_call()) and call.name not in RENAMES:
            child.finish_call()
        assert call is not None
        child.finish_call()
        trust.see(call, 0)
    scene.after_a_death()
    scene.let_leases_run_out()
    assert trust.owed
    with traced(run) as child:
        while call := child.next_call():
            child.finish_call()
            trust.see(call, child.result() or 0)
    assert not trust.owed
