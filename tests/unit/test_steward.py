"""The steward: commits and heals whatever happens to the one scan or the other."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.models import FailedPage
from tests.support.fake_deployment import SCAN, STAGE, Shop, make_shop, steward_at_work
from tests.support.killed import KilledError
from tests.support.waiting import wait_until
from worker.deployment import Workshop
from worker.reconciler.reconciler import Steward
from worker.reconciler.recovery import Healed
from worker.storage.open_stages import OWN_FOLDER

FORGED_INBOXES: list[str | bytes] = [
    "",
    "nowhere",
    "../up/stamp",
    "a..b/stamp",
    "a-book/nonsense",
    "a-book/stamp/more",
    b"\xff/stamp",
]


class DyingRedis(FakeRedis):
    """A client of a process that is killed after so many commands."""

    _left = -1

    def die_after(self, commands: int, meanwhile: Callable[[], object]) -> None:
        self._left = commands
        self._meanwhile = meanwhile

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        if self._left == 0:
            self._meanwhile()
            raise KilledError
        self._left -= 1
        return super().execute_command(*arguments, **options)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = make_shop(tmp_path / "scans", monkeypatch, heal_seconds=0.2)
    made.write_scan()
    return made


def wait_for_pages(shop: Shop, *pages: int, scan_id: str = SCAN) -> None:
    wait_until(lambda: shop.checkpoint(scan_id).completed_pages == list(pages), 5, f"pages {pages} of {scan_id}")


def test_what_workers_hand_over_is_committed(shop: Shop) -> None:
    with steward_at_work(shop.workshop):
        shop.hand_over(shop.completion(1))
        wait_for_pages(shop, 1)
        shop.hand_over(shop.completion(2))
        wait_for_pages(shop, 1, 2)


def test_the_inboxes_of_several_scans_are_committed(shop: Shop) -> None:
    shop.write_scan("atlas")
    shop.hand_over(shop.completion(1))
    shop.hand_over(shop.completion(2, scan_id="atlas"), scan_id="atlas")
    with steward_at_work(shop.workshop):
        wait_for_pages(shop, 1)
        wait_for_pages(shop, 2, scan_id="atlas")


def test_what_still_waits_at_the_end_is_committed(shop: Shop) -> None:
    with steward_at_work(shop.workshop):
        wait_until(lambda: not shop.redis.exists(shop.workshop.keys.inboxes), 5, "an idle steward")
        shop.hand_over(shop.completion(1), FailedPage(page=2, kind="torn", message="torn"))
    assert shop.checkpoint().completed_pages == [1]
    assert shop.checkpoint().quarantined() == {2}


def test_an_inbox_that_is_empty_is_taken_off_the_list(shop: Shop) -> None:
    shop.hand_over(shop.completion(1))
    with steward_at_work(shop.workshop):
        wait_until(lambda: shop.redis.scard(shop.workshop.keys.inboxes) == 0, 5, "an empty list")


def test_an_inbox_stays_listed_whatever_command_its_reconciler_dies_at(shop: Shop) -> None:
    """An entry comes in after each command in turn, and there the reconciler dies."""
    commands = 0
    while True:
        inboxes = shop.workshop.keys.inboxes
        shop.redis.flushall()
        shop.redis.sadd(inboxes, f"{SCAN}/{STAGE}")
        redis = DyingRedis(connection_pool=shop.redis.connection_pool)
        redis.die_after(commands, lambda: shop.hand_over(shop.completion(1)))
        steward = Steward(Workshop(shop.settings, shop.app, redis))
        try:
            steward.commit_inboxes()
        except KilledError:
            assert shop.redis.scard(inboxes) == 1, f"killed after command {commands}"
            commands += 1
        else:
            break
    assert commands > 1, "more than the first question was killed"


def test_inboxes_with_entries_are_listed_again_when_their_list_is_lost(shop: Shop) -> None:
    shop.ask_for((1, 5))
    shop.hand_over(shop.completion(1))
    shop.redis.delete(shop.workshop.keys.inboxes)
    with steward_at_work(shop.workshop):
        wait_for_pages(shop, 1)


def test_inboxes_of_a_stage_with_nothing_left_to_do_are_listed_again_too(shop: Shop) -> None:
    shop.ask_for((1, 1))
    shop.complete(1)
    shop.hand_over(FailedPage(page=2, kind="torn", message="torn"))
    shop.redis.delete(shop.workshop.keys.inboxes)
    with steward_at_work(shop.workshop):
        wait_until(lambda: shop.checkpoint().quarantined() == {2}, 5, "the failure of page 2")


def test_lost_pages_are_healed_and_an_ended_stage_is_closed(shop: Shop) -> None:
    shop.ask_for((1, 2))
    with steward_at_work(shop.workshop):
        wait_until(lambda: shop.waiting_pages() == [1, 2], 5, "the lost pages in the queue")
        assert shop.process_next().value == shop.process_next().value == "complete"
        wait_until(lambda: shop.open_stages.all() == [], 5, "the stage to be closed")
    assert shop.checkpoint().status == "partial"


def test_a_broker_that_was_away_is_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    away = [RedisConnectionError("away")] * 2
    members = shop.redis.smembers

    def sometimes(key: str) -> object:
        if away:
            raise away.pop()
        return members(key)

    monkeypatch.setattr(shop.redis, "smembers", sometimes)
    shop.hand_over(shop.completion(1))
    with steward_at_work(shop.workshop):
        wait_for_pages(shop, 1)
    assert not away


def test_a_corrupt_checkpoint_is_rebuilt_at_the_next_commit_and_the_steward_goes_on(shop: Shop) -> None:
    shop.ask_for((1, 3))
    shop.complete(1)
    path = shop.workshop.checkpoint_file(SCAN, STAGE).path
    path.write_bytes(b"{ torn")
    with steward_at_work(shop.workshop):
        shop.hand_over(shop.completion(2))
        wait_until(lambda: b"torn" not in path.read_bytes(), 5, "a new checkpoint")
        wait_for_pages(shop, 1, 2)


def test_one_scan_whose_checkpoint_is_corrupt_does_not_keep_the_others_from_being_healed(shop: Shop) -> None:
    shop.ask_for((1, 3))
    shop.workshop.checkpoint_file(SCAN, STAGE).path.write_bytes(b"{ torn")
    shop.write_scan("z-book")
    shop.ask_for((1, 2), scan_id="z-book")
    with steward_at_work(shop.workshop):
        wait_until(lambda: shop.waiting_pages("z-book") == [1, 2], 5, "the lost pages of the other scan")


def test_one_scan_that_cannot_be_written_does_not_keep_the_others_from_being_committed(shop: Shop) -> None:
    for number in range(6):
        (shop.write_scan(f"full-{number}").path / "checkpoints").write_text("in the way")
        shop.hand_over(shop.completion(1, scan_id=f"full-{number}"), scan_id=f"full-{number}")
    shop.hand_over(shop.completion(1))
    with steward_at_work(shop.workshop):
        wait_for_pages(shop, 1)
    assert len(shop.entries("full-0")) == 1


def test_forged_names_among_the_inboxes_do_not_keep_the_others_from_being_committed(shop: Shop) -> None:
    shop.redis.sadd(shop.workshop.keys.inboxes, *FORGED_INBOXES)
    files = shop.files()
    shop.hand_over(shop.completion(1))
    with steward_at_work(shop.workshop):
        wait_for_pages(shop, 1)
    assert {name.split("/")[0] for name in shop.files().keys() - files.keys()} <= {SCAN}
    assert not (shop.root.parent / "up").exists()


@pytest.mark.parametrize("stray", ["!!@stamp", "a-book@nonsense", "a..b@stamp"])
def test_strange_names_among_the_open_stages_do_not_keep_the_others_from_being_healed(
    shop: Shop, stray: str
) -> None:
    shop.write_scan("z-book")
    shop.ask_for((1, 2), scan_id="z-book")
    (shop.root / OWN_FOLDER / "open" / stray).touch()
    with steward_at_work(shop.workshop):
        wait_until(lambda: shop.waiting_pages("z-book") == [1, 2], 5, "the lost pages of the other scan")


def test_entries_of_a_scan_that_does_not_exist_make_no_folder(shop: Shop) -> None:
    shop.hand_over(FailedPage(page=1, kind="torn", message="torn"), scan_id="nowhere")
    shop.hand_over(shop.completion(1))
    with steward_at_work(shop.workshop):
        wait_for_pages(shop, 1)
    assert not (shop.root / "nowhere").exists()


def test_a_scan_that_somebody_deleted_is_dropped_after_a_while_and_does_not_come_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.ask_for((1, 5))
    shop.hand_over(FailedPage(page=1, kind="torn", message="torn"))
    shutil.rmtree(shop.root / SCAN)
    steward = Steward(shop.workshop)
    steward.heal()
    steward.commit_inboxes()
    assert shop.open_stages.all() == [(SCAN, STAGE)]  # It may be a trick of a network file system's cache.
    monkeypatch.setattr("worker.reconciler.reconciler.FORGET_SECONDS", 0)
    steward.heal()
    steward.commit_inboxes()
    assert shop.open_stages.all() == []
    assert shop.redis.scard(shop.workshop.keys.inboxes) == 0
    assert not (shop.root / SCAN).exists()


def test_a_scan_that_was_missing_for_a_moment_twice_is_not_dropped(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("worker.reconciler.reconciler.time.monotonic", lambda: clock[0])
    shop.ask_for((1, 5))
    metadata = shop.root / SCAN / "metadata.json"
    away = metadata.with_suffix(".away")
    steward = Steward(shop.workshop)
    for source, target in ((metadata, away), (away, metadata), (metadata, away)):
        source.rename(target)
        steward.heal()
        clock[0] += 1000
    assert shop.open_stages.all() == [(SCAN, STAGE)]


def test_an_idle_steward_asks_the_server_one_thing_a_look(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every worker of a fleet looks ten times a second."""
    steward = Steward(shop.workshop)
    asked: list[str] = []
    execute = shop.redis.execute_command

    def counting(*arguments: Any, **options: Any) -> Any:
        asked.append(arguments[0])
        return execute(*arguments, **options)

    monkeypatch.setattr(shop.redis, "execute_command", counting)
    assert not steward.commit_inboxes()
    assert asked == ["SMEMBERS"]


class _Busy:
    """A steward's life on a clock of its own: waiting and looking at a stage take as long as they are told to."""

    def __init__(self, shop: Shop, monkeypatch: pytest.MonkeyPatch, look_seconds: float) -> None:
        self.clock = 1000.0
        self.beats: list[float] = []
        self.looks: list[str] = []
        self._look_seconds = look_seconds
        monkeypatch.setattr("worker.reconciler.reconciler.time.monotonic", lambda: self.clock)
        monkeypatch.setattr(shop.workshop.dispatch(STAGE), "beat", lambda *_: self.beats.append(self.clock))
        monkeypatch.setattr("worker.reconciler.reconciler.Healer.heal", self._look)
        self.steward = Steward(shop.workshop, {STAGE: 2})

    def run(self, seconds: float) -> None:
        until = self.clock + seconds
        self.steward.run(lambda pause: self._wait(pause) > until)

    def _wait(self, seconds: float) -> float:
        self.clock += seconds
        return self.clock

    def _look(self, scan_id: str, _stage: str) -> Healed:
        self.clock += self._look_seconds
        self.looks.append(scan_id)
        return Healed()


def test_looks_that_take_long_do_not_keep_a_worker_from_saying_that_it_lives(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or its slots would count as gone, and the queue's window with them."""
    shop.ask_for((1, 5))
    busy = _Busy(shop, monkeypatch, look_seconds=4.0)
    busy.run(200)
    assert len(busy.looks) >= 4
    assert max(after - before for before, after in itertools.pairwise(busy.beats)) < 10


def test_many_open_stages_are_looked_at_a_few_at_a_time_and_none_is_left_out(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = [f"book-{number:02d}" for number in range(40)]
    for scan_id in books:
        shop.write_scan(scan_id)
        shop.ask_for((1, 5), scan_id=scan_id)
    busy = _Busy(shop, monkeypatch, look_seconds=0.5)
    commits: list[int] = []
    commit = busy.steward.commit_inboxes
    monkeypatch.setattr(busy.steward, "commit_inboxes", lambda: commits.append(len(busy.looks)) or commit())
    busy.run(500)
    assert set(busy.looks[: len(books)]) == set(books)
    assert max(after - before for before, after in itertools.pairwise(commits)) <= 3, "looks between two commits"
    assert len(busy.looks) * 0.5 < 500 / 8, "a tenth of the time, and a little"
