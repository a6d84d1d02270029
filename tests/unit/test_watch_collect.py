"""Snapshots of checkpoints, claims and workers, and snapshots without Redis."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.errors import StorageError
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from producer.planning.cost_estimate import Forecast
from producer.watch.collect import (
    MAX_STAGES,
    Collector,
    Poller,
    expected_usd_per_page,
    stages_of_scan,
    stages_under_way,
)
from producer.watch.snapshot import Snapshot, Task, Worker, Workers
from producer.watch.sources import ask_workers, claimed_pages, count_other_scans
from producer.watch.stage_reader import CheckpointReader
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, write_scan
from tests.support.stage_snapshots import states
from tests.support.waiting import HANG_SECONDS, wait_until
from worker.deployment import Deployment
from worker.queue.worker_control import WorkerControl

TORN = FailedPage(page=2, kind="torn", message="torn in two")


@pytest.fixture
def active(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What Celery's workers answer; a fake server has none."""
    answers: list[tuple[str, Any]] = []
    monkeypatch.setattr(WorkerControl, "active", lambda _self: answers)
    return answers


def task_info(page: object, scan_id: str = SCAN, **changes: object) -> dict[str, object]:
    """A task as Celery describes it."""
    arguments = {"scan_id": scan_id, "stage": STAGE, "page": page}
    return {"id": "1", "kwargs": arguments, "time_start": 100.0, **changes}


def watched(fake: FakeDeployment) -> Collector:
    return Collector(fake.another_process(), stages_under_way(fake.parts.store), with_other_scans=True)


def wait_for_snapshot(collector: Collector, holds: Callable[[Snapshot], object]) -> Snapshot:
    """The first snapshot of which that holds."""
    found: list[Snapshot] = []

    def known() -> bool:
        found[:] = [collector.snapshot()]
        return bool(holds(found[0]))

    wait_until(known, 10, "such a snapshot")
    return found[0]


def test_a_snapshot_holds_pages_failure_cost_and_workers_of_a_stage_under_way(
    fake: FakeDeployment, active: list[tuple[str, Any]]
) -> None:
    fake.ask_for((1, 4))
    fake.complete(1, cost_usd=0.25)
    fake.hand_over(TORN)
    fake.commit()
    write_scan(fake.root, "another", 3)
    active.append(("worker@here", [task_info(3)]))
    with fake.parts.queues.claims.take(REF, 3):
        snapshot = watched(fake).collect_once()
    (stage,) = snapshot.stages
    assert stage.states == states("#X>.-")
    assert (stage.completed, stage.quarantined, stage.waiting, stage.in_flight) == (1, 1, 1, (3,))
    assert (stage.last_failure, stage.cost_usd, stage.title) == ("page 2: torn in two (torn)", 0.25, "A Book")
    assert snapshot.workers.answering == (Worker("worker@here", (Task(StageRef(SCAN, STAGE), 3, 100.0),)),)
    assert snapshot.other_scans == "1 other scan: 1 not started"
    assert snapshot.under_way
    assert not snapshot.redis_problem


def test_a_claimed_page_that_is_complete_is_not_in_flight(
    fake: FakeDeployment, active: list[tuple[str, Any]]
) -> None:
    fake.ask_for((1, 4))
    fake.complete(1)
    active.append(("worker@here", [task_info(1)]))
    with fake.parts.queues.claims.take(REF, 1):
        (stage,) = watched(fake).collect_once().stages
    assert (stage.in_flight, stage.waiting) == ((), 3)


def test_checkpoints_are_shown_while_redis_is_down_and_claims_once_it_is_back(
    fake: FakeDeployment, active: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.watch.collect._CLAIMS_SECONDS", 0.01)
    monkeypatch.setattr("producer.watch.collect._WORKERS_SECONDS", 0.01)
    active.append(("worker@here", []))
    fake.ask_for((1, 5))
    fake.complete(1)
    away = threading.Event()

    def claims(*arguments: Any) -> Any:
        if away.is_set():
            raise RedisConnectionError("Connection refused.")
        return claimed_pages(*arguments)

    monkeypatch.setattr("producer.watch.collect.claimed_pages", claims)
    with watched(fake) as collector:
        wait_for_snapshot(collector, lambda snapshot: snapshot.workers.asked and snapshot.stages[0].in_flight == ())
        away.set()
        down = wait_for_snapshot(collector, lambda snapshot: snapshot.redis_problem)
        assert down.redis_problem == "Connection refused."
        assert (down.stages[0].completed, down.stages[0].in_flight) == (1, None)
        fake.complete(2)
        wait_for_snapshot(collector, lambda snapshot: snapshot.stages[0].completed == 2)
        away.clear()
        wait_for_snapshot(collector, lambda found: not found.redis_problem and found.stages[0].in_flight == ())


def test_a_silent_redis_does_not_delay_the_snapshot(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.ask_for((1, 5))
    release = threading.Event()

    def silent(*_: object) -> Any:
        assert release.wait(HANG_SECONDS)
        return {}

    monkeypatch.setattr("producer.watch.collect.claimed_pages", silent)
    monkeypatch.setattr("producer.watch.collect.ask_workers", silent)
    monkeypatch.setattr("producer.watch.collect._STALE_SECONDS", 0.05)
    with watched(fake) as collector:
        snapshot = wait_for_snapshot(collector, lambda snapshot: snapshot.redis_problem)
        assert snapshot.redis_problem.startswith("no answer for ")
        assert snapshot.stages[0].total_pages == 5
    release.set()


def test_a_refused_connection_to_redis_is_shown(fake: FakeDeployment, active: list[tuple[str, Any]]) -> None:
    fake.ask_for((1, 5))
    nowhere = Deployment(fake.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}), fake.app)
    snapshot = Collector(nowhere, stages_of_scan(nowhere.store, SCAN)).collect_once()
    assert "refused" in snapshot.redis_problem
    assert not active
    assert [stage.stage for stage in snapshot.stages] == [STAGE]


def test_forged_answers_of_workers_are_ignored(fake: FakeDeployment, active: list[tuple[str, Any]]) -> None:
    forged = [task_info("3"), task_info(3, scan_id="../etc"), {"kwargs": "{'page': 1}"}, {}, "no task", None]
    later = task_info(2, time_start=200.0)
    active += [("b@here", [later, *forged, task_info(4, time_start=None), task_info(1)]), ("a@here", "nothing")]
    fake.parts.queues.dispatch(STAGE).record_heartbeat("here:7", 2)
    fake.parts.queues.dispatch(STAGE).record_heartbeat("here:8", 3)
    fake.parts.queues.dispatch(STAGE).record_heartbeat("here:9", 1)
    found = ask_workers(fake.parts.queues, fake.parts.workers, fake.settings)
    assert [worker.name for worker in found.answering] == ["a@here", "b@here"]
    assert [(task.page, task.since) for task in found.tasks] == [(4, 0.0), (1, 100.0), (2, 200.0)]
    assert (found.alive, found.slots) == (3, 6)


def test_workers_without_a_recent_heartbeat_are_not_alive(
    fake: FakeDeployment, active: list[tuple[str, Any]]
) -> None:
    assert not active
    fake.parts.queues.dispatch(STAGE).record_heartbeat("here:7", 2)
    fake.redis.zadd(fake.parts.queues.keys.slots(STAGE), {"here:7=2": 1})
    assert ask_workers(fake.parts.queues, fake.parts.workers, fake.settings) == Workers(asked=True)


def test_after_a_flush_claims_are_found_for_the_tasks_that_workers_report(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    with fake.parts.queues.claims.take(REF, 3) as claim:
        assert claim is not None
        fake.redis.flushall()
        claim.renew()
        key = REF
        assert claimed_pages(fake.parts.queues, [key]) == {key: frozenset()}
        said = [Task(StageRef(SCAN, STAGE), 3), Task(StageRef(SCAN, STAGE), 4), Task(StageRef("another", STAGE), 3)]
        assert claimed_pages(fake.parts.queues, [key], said) == {key: frozenset({3})}


def test_an_unreadable_checkpoint_is_shown_only_without_an_earlier_version(
    fake: FakeDeployment,
) -> None:
    fake.ask_for((1, 5))
    path = fake.parts.store.checkpoint_file(REF).path
    whole = path.read_bytes()
    collector = watched(fake)
    assert collector.snapshot().stages[0].status == "in_progress"
    path.write_bytes(b"{ torn")
    assert collector.snapshot().stages[0].status == "in_progress"
    (fresh,) = watched(fake).snapshot().stages
    assert (fresh.status, fresh.under_way, fresh.total_pages) == ("unreadable", True, 5)
    assert "cannot be used" in fresh.error
    path.write_bytes(whole)
    assert collector.snapshot().stages[0].status == "in_progress"


def test_deleted_and_invalid_scans_do_not_hide_the_others(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    fake.open_stages.add(StageRef("gone", STAGE))
    (fake.root / ".leafmark" / "open" / f"..%2F[red]@{STAGE}").touch()
    snapshot = watched(fake).snapshot()
    assert [stage.scan_id for stage in snapshot.stages if stage.under_way] == [SCAN]
    assert snapshot.storage_problem == ""


def test_a_stage_that_has_ended_stays_on_display(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    collector = watched(fake)
    assert collector.snapshot().under_way
    fake.complete(1, 2, 3, 4, 5)
    fake.open_stages.remove(REF)
    snapshot = collector.snapshot()
    assert [(stage.scan_id, stage.status) for stage in snapshot.stages] == [(SCAN, "completed")]
    assert not snapshot.under_way


def test_stages_above_the_maximum_are_counted_and_not_read(fake: FakeDeployment) -> None:
    for number in range(30):
        write_scan(fake.root, f"book-{number:02}", 2)
        fake.ask_for((1, 2), scan_id=f"book-{number:02}", total_pages=2)
    snapshot = watched(fake).snapshot()
    assert (len(snapshot.stages), snapshot.more_stages) == (MAX_STAGES, 6)


def test_a_scan_without_begun_stages_shows_its_first_stage(fake: FakeDeployment) -> None:
    (stage,) = Collector(fake.parts, stages_of_scan(fake.parts.store, SCAN)).snapshot().stages
    assert (stage.stage, stage.status, stage.states, stage.under_way) == (
        "ocr",
        "not_started",
        states("-----"),
        False,
    )


class Clock:
    """A clock and a processor's time that go on only when told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.used = 0.0

    def monotonic(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return self.used


def test_a_slow_checkpoint_is_read_in_at_most_a_tenth_of_the_time(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("producer.watch.stage_reader.time", clock)
    fake.ask_for((1, 5))
    file = fake.another_process().store.checkpoint_file(REF)
    read = file.read

    def slow_read() -> Any:
        clock.now += 2
        clock.used += 2
        return read()

    monkeypatch.setattr(file, "read", slow_read)
    reader = CheckpointReader(file)
    assert reader.read_if_changed() is not None
    for page in (1, 2, 3):
        fake.complete(page)
        assert reader.read_if_changed() is None
        clock.now += 5
    clock.now += 3
    assert reader.read_if_changed() is not None
    clock.now += 100
    assert reader.read_if_changed() is None


def test_other_scans_are_counted_by_their_most_urgent_status(fake: FakeDeployment) -> None:
    write_scan(fake.root, "fresh", 2)
    for name, status in (("bad", "failed"), ("good", "completed"), ("odd", "[red]")):
        scan = write_scan(fake.root, name, 2)
        for stage, stands in ((STAGE, status), ("ocr", "completed")):
            path = scan.checkpoint_path(stage)
            path.parent.mkdir(exist_ok=True)
            path.write_text(f'{{"version": "2.0", "status": "{stands}"}}')
    expected = "4 other scans: 1 failed, 1 other, 1 completed, 1 not started"
    assert count_other_scans(fake.root, {SCAN}) == expected
    assert count_other_scans(fake.root, {SCAN, "fresh", "bad", "good", "odd"}) == ""


def test_expected_cost_comes_from_the_estimate_for_the_remaining_pages(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []

    def made(_parts: object, ref: StageRef, pages: list[int]) -> Forecast | None:
        if ref.scan_id == "damaged":
            raise StorageError("damaged")
        asked.append(pages)
        return Forecast(ref.stage, len(pages), len(pages), 0.5 * len(pages), 9.0, 0.5, 1.0, "so")

    monkeypatch.setattr("producer.planning.cost_estimate.forecast", made)
    pages = {
        StageRef("damaged", STAGE): states(".."),
        StageRef(SCAN, STAGE): states("#.>X-."),
        StageRef("done", STAGE): states("##"),
    }
    assert expected_usd_per_page(fake.parts.store, pages) == {StageRef(SCAN, STAGE): 0.5}
    assert asked == [[2, 3, 6]]


def test_a_poller_keeps_the_latest_result_and_the_latest_problem() -> None:
    outcomes: list[Any] = [ValueError("broken"), RuntimeError(), 7]

    def read() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return int(outcome)

    poller = Poller(read, 1.0, 0)
    seen = []
    for _ in range(3):
        poller.poll()
        seen.append((poller.latest, poller.problem, poller.succeeded))
    assert seen == [(0, "broken", False), (0, "RuntimeError", False), (7, "", True)]
