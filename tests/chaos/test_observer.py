import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.history import Log
from chaos.observer import CheckpointReader, OutputWatcher
from chaos.scans import is_work_output, work_output
from chaos.storage import damage, swap
from checkpointing.atomic import write_durably


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path / "events.jsonl")
    yield made
    made.close()


class Reading:
    """A checkpoint, and who reads it."""

    def __init__(self, folder: Path, log: Log) -> None:
        self.path = folder / "book" / "checkpoints" / "work.json"
        self.path.parent.mkdir(parents=True)
        self.reader = CheckpointReader(self.path, log)

    def write(self, revision: int, complete: list[int], cost: float = 0.0) -> None:
        checkpoint = {
            "revision": revision,
            "completed_pages": complete,
            "failed_pages": [],
            "metadata": {"total_cost_usd": cost},
        }
        write_durably(self.path, json.dumps(checkpoint).encode(), bytes)
        self.reader.look()

    def damage(self) -> None:
        with self.reader.damaging():
            damage(self.path, "truncate", random.Random(1))
        self.reader.look()

    @property
    def lost(self) -> list[int]:
        return [each.page[1] for each in self.reader.disappearances]


@pytest.fixture
def reading(tmp_path: Path, log: Log) -> Reading:
    return Reading(tmp_path, log)


def test_a_checkpoint_that_grows_is_well_and_every_look_counts(reading: Reading) -> None:
    reading.reader.look()
    reading.write(1, [1])
    reading.write(2, [1, 2], cost=0.5)
    reading.reader.look()
    reader = reading.reader
    assert (reader.reads, reader.settled) == (3, 2)
    assert [reader.torn, reader.regressed, reader.disappearances] == [[], [], []]


def test_half_a_checkpoint_is_a_torn_read(reading: Reading) -> None:
    reading.write(1, [1])
    reading.path.write_bytes(reading.path.read_bytes()[:-5])
    reading.reader.look()
    assert len(reading.reader.torn) == 1


def test_a_revision_or_a_cost_that_goes_back_or_a_file_that_goes_away_is_a_regressed_read(reading: Reading) -> None:
    reading.write(5, [1], cost=0.5)
    reading.write(4, [1], cost=0.5)
    reading.write(6, [1], cost=0.4)
    reading.path.unlink()
    reading.reader.look()
    assert len(reading.reader.regressed) == 3


def test_a_page_that_is_complete_no_more_is_kept_for_the_verdict(reading: Reading) -> None:
    reading.write(1, [1, 2, 3])
    reading.write(2, [2])
    assert reading.lost == [1, 3]
    assert reading.reader.disappearances[0].last_complete <= reading.reader.disappearances[0].seen


def test_a_checkpoint_damaged_on_purpose_may_be_torn_and_start_anew_but_lose_no_page(reading: Reading) -> None:
    reading.write(5, [1, 2], cost=0.5)
    reading.damage()
    reading.write(1, [1])
    assert [reading.reader.torn, reading.reader.regressed] == [[], []]
    assert reading.lost == [2]
    reading.write(0, [1])
    assert len(reading.reader.regressed) == 1, "the excuse ended when the file was whole again"


def output(page: int) -> bytes:
    return json.dumps(work_output(page)).encode()


class Watching:
    """The outputs of a scan, and who watches them."""

    def __init__(self, folder: Path, log: Log) -> None:
        self.folder = folder / "book" / "work"
        self.watcher = OutputWatcher(self.folder, is_work_output, log)
        self.watcher.look()
        self.folder.mkdir(parents=True)

    def path(self, page: int) -> Path:
        return self.folder / f"page_{page:04d}.json"

    def save(self, *pages: int) -> None:
        for page in pages:
            write_durably(self.path(page), output(page), bytes)
        self.watcher.look()

    def seen(self) -> list[tuple[int, bool, bool]]:
        """Page, valid, still there: of each version."""
        return [(each.page[1], each.valid, each.gone_by is None) for each in self.watcher.versions]


@pytest.fixture
def watching(tmp_path: Path, log: Log) -> Watching:
    return Watching(tmp_path, log)


def test_an_output_is_one_version_for_as_long_as_it_stands(watching: Watching) -> None:
    watching.save(1, 2)
    seen_first = watching.watcher.versions[0].last_seen
    watching.watcher.look()
    assert sorted(watching.seen()) == [(1, True, True), (2, True, True)]
    assert watching.watcher.versions[0].last_seen > seen_first
    assert watching.watcher.valid_pages() == [1, 2]


@pytest.mark.parametrize("how", ["truncate", "flip"])
def test_a_damaged_output_is_another_version_and_not_valid(watching: Watching, how: str) -> None:
    watching.save(1)
    damage(watching.path(1), how, random.Random(2))
    watching.watcher.look()
    assert watching.seen() == [(1, True, False), (1, False, True)]
    watching.save(1)
    assert watching.seen()[-1] == (1, True, True)


def test_a_deleted_output_is_gone(watching: Watching) -> None:
    watching.save(1)
    damage(watching.path(1), "delete", random.Random(2))
    watching.watcher.look()
    assert watching.seen() == [(1, True, False)]
    (version,) = watching.watcher.versions
    assert version.gone_by is not None
    assert version.since <= version.last_seen <= version.gone_by


def test_swapped_outputs_are_not_valid(watching: Watching) -> None:
    watching.save(1, 10)
    swap(watching.path(1), watching.path(10))
    watching.watcher.look()
    assert watching.watcher.valid_pages() == []
    swap(watching.path(1), watching.path(10))
    watching.watcher.look()
    assert watching.watcher.valid_pages() == [1, 10]
