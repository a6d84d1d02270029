"""The order of the calls: what a power cut would find, where a death shows nothing as the kernel outlives it."""

from pathlib import Path

import pytest
from redis import Redis

from tests.crash.checkpoint_commit import CheckpointCommit
from tests.crash.page_save import OLD, PageSave
from tests.crash.resume import Resume
from tests.crash.scene import Scene, ready
from tests.crash.syscalls import RENAMES, SENDS
from tests.crash.traced import Traced, traced
from tests.crash.trust import Trust


def follow(child: Traced, trust: Trust, debts: list[str]) -> list[str]:
    """Follow a process to its end; note what it owes whenever it speaks to others.

    Returns:
        The names of its calls.
    """
    names = []
    while call := child.next_call():
        names.append(call.name)
        if call.name in SENDS and trust.owed:
            debts.append(f"{call} before a sync of {trust.owed}")
        child.finish_call()
        trust.see(call, child.result() or 0)
    return names


def check_order(scene: Scene) -> None:
    """Insist that contents are synced before they get their name, and names before anybody hears of them."""

    run = ready(scene)
    trust, debts = Trust(), list[str]()
    with traced(run) as child:
        names = follow(child, trust, debts)
        child.let_go()
        assert child.reports() == ["done"]
    assert RENAMES.intersection(names)
    assert (trust.wrongs, debts, trust.owed) == ([], [], set())


@pytest.mark.parametrize("old", [None, OLD], ids=["nothing", "an older output"])
def test_a_page_save(tmp_path: Path, old: None) -> None:
    check_order(PageSave(tmp_path, old))


@pytest.mark.parametrize("earlier", [False, True], ids=["the first", "a later one"])
def test_a_commit(tmp_path: Path, redis: Redis, earlier: bool) -> None:
    check_order(CheckpointCommit(tmp_path, redis, earlier=earlier))


@pytest.mark.usefixtures("stamp_stage")
def test_a_resume(tmp_path: Path, redis: Redis) -> None:
    check_order(Resume(tmp_path, redis))
