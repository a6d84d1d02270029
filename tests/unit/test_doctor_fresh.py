"""`producer doctor` where nothing was set up: what `producer run` brings by itself is no problem there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpointing.refs import StageRef
from producer.doctor.check import Area, Check, Level
from producer.doctor.examine import examine
from worker.app import make_app
from worker.config.setting_sources import Origins
from worker.config.settings import ENV_PREFIX, Settings
from worker.deployment import Deployment
from worker.storage.root_marker import library_at

AREAS = [Area.STORAGE, Area.REDIS, Area.WORKERS]
NOTHING_SET = Origins({}, (), ENV_PREFIX)


def is_set(name: str) -> Origins:
    return Origins({name: f"{ENV_PREFIX}{name.upper()}"}, (), ENV_PREFIX)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Deployment]:
    """Of a machine without a storage root and without a Redis."""
    settings = Settings(storage_root=tmp_path / "Documents" / "book_scans", redis_url="redis://127.0.0.1:1/0")
    made = Deployment(settings, make_app(settings))
    yield made
    made.close()


def levels(parts: Deployment, origins: Origins, *, strict: bool = False) -> dict[Area, Level]:
    """The worst of each area."""
    order = list(Level)
    found: dict[Area, Level] = {}
    for check in examine(parts.store, parts.queues, make_app(parts.settings), origins, AREAS, strict=strict):
        found[check.area] = max(found.get(check.area, Level.OK), check.level, key=order.index)
    return found


def checks(parts: Deployment) -> list[Check]:
    return list(examine(parts.store, parts.queues, make_app(parts.settings), NOTHING_SET, AREAS))


def test_a_machine_where_nothing_was_set_has_notes_and_no_problem(parts: Deployment) -> None:
    assert levels(parts, NOTHING_SET) == dict.fromkeys(AREAS, Level.NOTE)
    assert all("`producer run`" in check.then for check in checks(parts))
    assert not parts.store.root.exists()


def test_after_a_run_that_ended_redis_and_workers_are_not_missed(parts: Deployment) -> None:
    parts.store.root.mkdir(parents=True)
    found = levels(parts, NOTHING_SET)
    assert (found[Area.REDIS], found[Area.WORKERS]) == (Level.NOTE, Level.NOTE)


def test_pages_that_wait_make_a_missing_redis_a_problem(parts: Deployment) -> None:
    parts.store.root.mkdir(parents=True)
    library_at(parts.store.root).make()
    parts.store.open_stages.add(StageRef("a-book", "ocr"))
    found = levels(parts, NOTHING_SET)
    assert (found[Area.REDIS], found[Area.WORKERS]) == (Level.PROBLEM, Level.PROBLEM)


def test_a_redis_that_was_set_and_does_not_answer_is_a_problem(parts: Deployment) -> None:
    found = levels(parts, is_set("redis_url"))
    assert found == {Area.STORAGE: Level.NOTE, Area.REDIS: Level.PROBLEM, Area.WORKERS: Level.PROBLEM}


def test_a_storage_root_that_was_set_and_is_not_there_is_a_problem(parts: Deployment) -> None:
    assert levels(parts, is_set("storage_root"))[Area.STORAGE] is Level.PROBLEM


def test_strict_makes_whatever_is_missing_a_problem(parts: Deployment) -> None:
    assert levels(parts, NOTHING_SET, strict=True) == dict.fromkeys(AREAS, Level.PROBLEM)


@pytest.mark.parametrize("what", ["file", "dangling link", "file above"])
def test_a_storage_root_that_cannot_be_made_is_a_problem(parts: Deployment, what: str) -> None:
    above = parts.store.root.parent
    if what == "file above":
        above.write_bytes(b"")
    else:
        above.mkdir()
        if what == "file":
            parts.store.root.write_bytes(b"")
        else:
            parts.store.root.symlink_to(above / "not mounted")
    assert levels(parts, NOTHING_SET)[Area.STORAGE] is Level.PROBLEM
