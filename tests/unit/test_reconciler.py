"""The reconciler: commits and heals whatever happens to the one scan or the other."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from tests.support.fake_deployment import (
    REF,
    SCAN,
    STAGE,
    FakeDeployment,
    make_fake,
    page_parts,
    reconciler_at_work,
)
from tests.support.killed import KilledError
from tests.support.waiting import wait_until
from worker.deployment import Deployment
from worker.reconciler.reconciler import Reconciler
from worker.reconciler.recovery import Recovered
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
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    made = make_fake(tmp_path / "scans", monkeypatch, heal_seconds=0.2)
    made.write_scan()
    return made


def wait_for_pages(fake: FakeDeployment, *pages: int, scan_id: str = SCAN) -> None:
    wait_until(lambda: fake.checkpoint(scan_id).completed_pages == list(pages), 5, f"pages {pages} of {scan_id}")


def test_what_workers_hand_over_is_committed(fake: FakeDeployment) -> None:
    with reconciler_at_work(fake.parts):
        fake.hand_over(fake.completion(1))
        wait_for_pages(fake, 1)
        fake.hand_over(fake.completion(2))
        wait_for_pages(fake, 1, 2)


def test_the_inboxes_of_several_scans_are_committed(fake: FakeDeployment) -> None:
    fake.write_scan("atlas")
    fake.hand_over(fake.completion(1))
    fake.hand_over(fake.completion(2, scan_id="atlas"), scan_id="atlas")
    with reconciler_at_work(fake.parts):
        wait_for_pages(fake, 1)
        wait_for_pages(fake, 2, scan_id="atlas")


def test_what_still_waits_at_the_end_is_committed(fake: FakeDeployment) -> None:
    with reconciler_at_work(fake.parts):
        wait_until(lambda: not fake.redis.exists(fake.parts.queues.keys.inboxes), 5, "an idle reconciler")
        fake.hand_over(fake.completion(1), FailedPage(page=2, kind="torn", message="torn"))
    assert fake.checkpoint().completed_pages == [1]
    assert fake.checkpoint().quarantined() == {2}


def test_an_inbox_that_is_empty_is_taken_off_the_list(fake: FakeDeployment) -> None:
    fake.hand_over(fake.completion(1))
    with reconciler_at_work(fake.parts):
        wait_until(lambda: fake.redis.scard(fake.parts.queues.keys.inboxes) == 0, 5, "an empty list")


def test_an_inbox_stays_listed_whatever_command_its_reconciler_dies_at(fake: FakeDeployment) -> None:
    """An entry comes in after each command in turn, and there the reconciler dies."""
    commands = 0
    while True:
        inboxes = fake.parts.queues.keys.inboxes
        fake.redis.flushall()
        fake.redis.sadd(inboxes, f"{SCAN}/{STAGE}")
        redis = DyingRedis(connection_pool=fake.redis.connection_pool)
        redis.die_after(commands, lambda: fake.hand_over(fake.completion(1)))
        reconciler = Reconciler(*page_parts(Deployment(fake.settings, fake.app, redis)))
        try:
            reconciler.commit_inboxes()
        except KilledError:
            assert fake.redis.scard(inboxes) == 1, f"killed after command {commands}"
            commands += 1
        else:
            break
    assert commands > 1, "more than the first question was killed"


def test_inboxes_with_entries_are_listed_again_when_their_list_is_lost(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    fake.hand_over(fake.completion(1))
    fake.redis.delete(fake.parts.queues.keys.inboxes)
    with reconciler_at_work(fake.parts):
        wait_for_pages(fake, 1)


def test_inboxes_of_a_stage_with_nothing_left_to_do_are_listed_again_too(fake: FakeDeployment) -> None:
    fake.ask_for((1, 1))
    fake.complete(1)
    fake.hand_over(FailedPage(page=2, kind="torn", message="torn"))
    fake.redis.delete(fake.parts.queues.keys.inboxes)
    with reconciler_at_work(fake.parts):
        wait_until(lambda: fake.checkpoint().quarantined() == {2}, 5, "the failure of page 2")


def test_lost_pages_are_healed_and_an_ended_stage_is_closed(fake: FakeDeployment) -> None:
    fake.ask_for((1, 2))
    with reconciler_at_work(fake.parts):
        wait_until(lambda: fake.waiting_pages() == [1, 2], 5, "the lost pages in the queue")
        assert fake.process_next().value == fake.process_next().value == "complete"
        wait_until(lambda: fake.open_stages.all() == [], 5, "the stage to be closed")
    assert fake.checkpoint().status == "partial"


def test_a_broker_that_was_away_is_waited_for(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    away = [RedisConnectionError("away")] * 2
    members = fake.redis.smembers

    def sometimes(key: str) -> object:
        if away:
            raise away.pop()
        return members(key)

    monkeypatch.setattr(fake.redis, "smembers", sometimes)
    fake.hand_over(fake.completion(1))
    with reconciler_at_work(fake.parts):
        wait_for_pages(fake, 1)
    assert not away


def test_a_corrupt_checkpoint_is_rebuilt_at_the_next_commit_and_the_reconciler_goes_on(
    fake: FakeDeployment,
) -> None:
    fake.ask_for((1, 3))
    fake.complete(1)
    path = fake.parts.store.checkpoint_file(REF).path
    path.write_bytes(b"{ torn")
    with reconciler_at_work(fake.parts):
        fake.hand_over(fake.completion(2))
        wait_until(lambda: b"torn" not in path.read_bytes(), 5, "a new checkpoint")
        wait_for_pages(fake, 1, 2)


def test_one_scan_whose_checkpoint_is_corrupt_does_not_keep_the_others_from_being_healed(
    fake: FakeDeployment,
) -> None:
    fake.ask_for((1, 3))
    fake.parts.store.checkpoint_file(REF).path.write_bytes(b"{ torn")
    fake.write_scan("z-book")
    fake.ask_for((1, 2), scan_id="z-book")
    with reconciler_at_work(fake.parts):
        wait_until(lambda: fake.waiting_pages("z-book") == [1, 2], 5, "the lost pages of the other scan")


def test_one_scan_that_cannot_be_written_does_not_keep_the_others_from_being_committed(
    fake: FakeDeployment,
) -> None:
    for number in range(6):
        (fake.write_scan(f"full-{number}").path / "checkpoints").write_text("in the way")
        fake.hand_over(fake.completion(1, scan_id=f"full-{number}"), scan_id=f"full-{number}")
    fake.hand_over(fake.completion(1))
    with reconciler_at_work(fake.parts):
        wait_for_pages(fake, 1)
    assert len(fake.entries("full-0")) == 1


def test_forged_names_among_the_inboxes_do_not_keep_the_others_from_being_committed(fake: FakeDeployment) -> None:
    fake.redis.sadd(fake.parts.queues.keys.inboxes, *FORGED_INBOXES)
    files = fake.files()
    fake.hand_over(fake.completion(1))
    with reconciler_at_work(fake.parts):
        wait_for_pages(fake, 1)
    assert {name.split("/")[0] for name in fake.files().keys() - files.keys()} <= {SCAN}
    assert not (fake.root.parent / "up").exists()


@pytest.mark.parametrize("stray", ["!!@stamp", "a-book@nonsense", "a..b@stamp"])
def test_strange_names_among_the_open_stages_do_not_keep_the_others_from_being_healed(
    fake: FakeDeployment, stray: str
) -> None:
    fake.write_scan("z-book")
    fake.ask_for((1, 2), scan_id="z-book")
    (fake.root / OWN_FOLDER / "open" / stray).touch()
    with reconciler_at_work(fake.parts):
        wait_until(lambda: fake.waiting_pages("z-book") == [1, 2], 5, "the lost pages of the other scan")


def test_entries_of_a_scan_that_does_not_exist_make_no_folder(fake: FakeDeployment) -> None:
    fake.hand_over(FailedPage(page=1, kind="torn", message="torn"), scan_id="nowhere")
    fake.hand_over(fake.completion(1))
    with reconciler_at_work(fake.parts):
        wait_for_pages(fake, 1)
    assert not (fake.root / "nowhere").exists()


def test_a_deleted_scan_is_dropped_after_a_while_and_does_not_come_back(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.ask_for((1, 5))
    fake.hand_over(FailedPage(page=1, kind="torn", message="torn"))
    shutil.rmtree(fake.root / SCAN)
    reconciler = Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls)
    reconciler.recover()
    reconciler.commit_inboxes()
    assert fake.open_stages.all() == [REF]  # It may be a trick of a network file system's cache.
    monkeypatch.setattr("worker.reconciler.reconciler.FORGET_SECONDS", 0)
    reconciler.recover()
    reconciler.commit_inboxes()
    assert fake.open_stages.all() == []
    assert fake.redis.scard(fake.parts.queues.keys.inboxes) == 0
    assert not (fake.root / SCAN).exists()


def test_a_scan_that_was_missing_for_a_moment_twice_is_not_dropped(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("worker.reconciler.reconciler.time.monotonic", lambda: clock[0])
    fake.ask_for((1, 5))
    metadata = fake.root / SCAN / "metadata.json"
    away = metadata.with_suffix(".away")
    reconciler = Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls)
    for source, target in ((metadata, away), (away, metadata), (metadata, away)):
        source.rename(target)
        reconciler.recover()
        clock[0] += 1000
    assert fake.open_stages.all() == [REF]


def test_an_idle_reconciler_asks_the_server_one_thing_a_look(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every worker of a fleet looks ten times a second."""
    reconciler = Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls)
    asked: list[str] = []
    execute = fake.redis.execute_command

    def counting(*arguments: Any, **options: Any) -> Any:
        asked.append(arguments[0])
        return execute(*arguments, **options)

    monkeypatch.setattr(fake.redis, "execute_command", counting)
    assert not reconciler.commit_inboxes()
    assert asked == ["SMEMBERS"]


class _Busy:
    """A reconciler on a simulated clock: waiting and looking at a stage take as long as the test sets."""

    def __init__(self, fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch, look_seconds: float) -> None:
        self.clock = 1000.0
        self.beats: list[float] = []
        self.looks: list[str] = []
        self._look_seconds = look_seconds
        monkeypatch.setattr("worker.reconciler.reconciler.time.monotonic", lambda: self.clock)
        monkeypatch.setattr(
            fake.parts.queues.dispatch(STAGE), "record_heartbeat", lambda *_: self.beats.append(self.clock)
        )
        monkeypatch.setattr("worker.reconciler.reconciler.PageRecovery.recover", self._look)
        self.reconciler = Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls, {STAGE: 2})

    def run(self, seconds: float) -> None:
        until = self.clock + seconds
        self.reconciler.run(lambda pause: self._wait(pause) > until)

    def _wait(self, seconds: float) -> float:
        self.clock += seconds
        return self.clock

    def _look(self, ref: StageRef) -> Recovered:
        self.clock += self._look_seconds
        self.looks.append(ref.scan_id)
        return Recovered()


def test_looks_that_take_long_do_not_keep_a_worker_from_saying_that_it_lives(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or its slots would count as gone, and the queue's window with them."""
    fake.ask_for((1, 5))
    busy = _Busy(fake, monkeypatch, look_seconds=4.0)
    busy.run(200)
    assert len(busy.looks) >= 4
    assert max(after - before for before, after in itertools.pairwise(busy.beats)) < 10


def test_many_open_stages_are_looked_at_a_few_at_a_time_and_none_is_left_out(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = [f"book-{number:02d}" for number in range(40)]
    for scan_id in books:
        fake.write_scan(scan_id)
        fake.ask_for((1, 5), scan_id=scan_id)
    busy = _Busy(fake, monkeypatch, look_seconds=0.5)
    commits: list[int] = []
    commit = busy.reconciler.commit_inboxes
    monkeypatch.setattr(busy.reconciler, "commit_inboxes", lambda: commits.append(len(busy.looks)) or commit())
    busy.run(500)
    assert set(busy.looks[: len(books)]) == set(books)
    assert max(after - before for before, after in itertools.pairwise(commits)) <= 3, "looks between two commits"
    assert len(busy.looks) * 0.5 < 500 / 8, "a tenth of the time, and a little"
