"""A process that dies at any point of a save, a commit or a resume: nothing torn, lost or counted twice."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from redis import Redis

from tests.crash.checkpoint_commit import CheckpointCommit
from tests.crash.deaths import Death, deaths_after_every_change
from tests.crash.page_save import OLD, PageSave
from tests.crash.resume import Resume
from tests.crash.scene import Scene
from tests.unit.conftest import Leaf

Record = Callable[[str, object], None]


def survive(scene: Scene, deaths: Iterable[Death]) -> str:
    """Check the state after each death, restart, and check the end.

    Returns:
        How many there were.
    """
    scene.prepare()
    # Imports what is imported late, so that the processes need not.
    scene.make()()
    old = new = 0
    for death in deaths:
        try:
            if scene.check_invariants():
                new += 1
            else:
                old += 1
            scene.restart()
            scene.check_end()
        except BaseException as error:
            error.add_note(f"after {death}")
            raise
    assert old, "no process died before it took effect"
    assert new, "no process died after it took effect"
    return f"{old + new} ({old} left the old state, {new} the new)"


@pytest.mark.parametrize("old", [pytest.param(None, id="nothing"), pytest.param(OLD, id="an older output")])
def test_a_page_save(tmp_path: Path, record_property: Record, old: Leaf | None) -> None:
    scene = PageSave(tmp_path, old)
    points = survive(scene, deaths_after_every_change(scene))
    record_property("figure", f"crash points, page save over {'an older output' if old else 'nothing'}: {points}")


@pytest.mark.parametrize("earlier", [False, True], ids=["the first", "a later one"])
def test_a_commit(tmp_path: Path, redis: Redis, record_property: Record, earlier: bool) -> None:
    scene = CheckpointCommit(tmp_path, redis, earlier=earlier)
    points = survive(scene, deaths_after_every_change(scene))
    record_property("figure", f"crash points, checkpoint commit, {'later' if earlier else 'first'}: {points}")


@pytest.mark.usefixtures("stamp_stage")
def test_a_resume(tmp_path: Path, redis: Redis, record_property: Record) -> None:
    scene = Resume(tmp_path, redis)
    points = survive(scene, deaths_after_every_change(scene))
    record_property("figure", f"crash points, resume: {points}")
