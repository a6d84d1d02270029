"""What a night can do to a book while everybody sleeps: nobody calls `producer enqueue` a second time."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpointing.refs import StageRef
from producer.run.embedded_broker import EmbeddedBroker, embedded_broker
from tests.support.deployment import Deployment, Process, deployment_in
from tests.support.fake_deployment import write_scan

SCAN = "night"
PAGES = 60
STEADY = {"WORK_SECONDS": "0.1"}


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A server that a test may end."""
    with embedded_broker(tmp_path / "own-broker") as broker:
        yield broker


@pytest.fixture
def night(tmp_path: Path, own_broker: EmbeddedBroker) -> Iterator[Deployment]:
    with deployment_in(tmp_path / "night", own_broker.url, "work") as made:
        made.journal.mkdir()
        made.environment["WORK_JOURNAL"] = str(made.journal)
        yield made


def begin(deployment: Deployment, pages: int = PAGES, scan_id: str = SCAN) -> None:
    write_scan(deployment.root, scan_id, pages)
    deployment.producer("enqueue", scan_id, "--stage", "work")


def assert_each_page_done_once(deployment: Deployment) -> None:
    assert sorted(deployment.attempts(SCAN, "end")) == list(range(1, PAGES + 1))


def worked_on_since(deployment: Deployment, worker: Process, pages_before: int) -> bool:
    """Whether a pool process of this worker has begun a page since."""
    mine = [path for path in deployment.journal.glob("*.jsonl") if _group_of(int(path.stem)) == worker.pid]
    return sum(len(path.read_text().splitlines()) for path in mine) > pages_before


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def test_a_flushed_redis_heals_by_itself(workload: Deployment) -> None:
    workload.start_worker(2, **STEADY)
    begin(workload)
    workload.wait_for_pages(SCAN, 5)
    workload.redis.flushall()
    workload.wait_for_status(SCAN, "completed")
    assert_each_page_done_once(workload)


def test_after_a_restart_of_redis_every_worker_works_again(night: Deployment, own_broker: EmbeddedBroker) -> None:
    workers = [night.start_worker(1, **STEADY) for _ in range(2)]
    begin(night, 400)
    night.wait_for_pages(SCAN, 5)
    night.redis.shutdown(nosave=True)
    own_broker.keep_alive()
    lines = sum(len(path.read_text().splitlines()) for path in night.journal.glob("*.jsonl"))
    for worker in workers:
        night.wait(lambda worker=worker: worked_on_since(night, worker, lines), 30, "a worker that is not deaf")


def test_a_rolling_restart_loses_no_page_and_does_none_twice(workload: Deployment) -> None:
    # Slow enough for the book to outlast both warm stops, of two seconds each.
    steady = {"WORK_SECONDS": "0.25"}
    workers = [workload.start_worker(1, **steady) for _ in range(2)]
    workload.wait_until_ready()
    begin(workload, PAGES)
    for old in workers:
        before = len(workload.completed(SCAN))
        workload.wait_for_pages(SCAN, before + 3)
        new = workload.start_worker(1, **steady)
        os.kill(old.pid, signal.SIGTERM)
        assert workload.wait_for_exit(old) == 0, workload.logs()
        assert new.poll() is None
    workload.wait_for_status(SCAN, "completed")
    assert_each_page_done_once(workload)


def test_a_reconciler_that_is_killed_is_started_again(workload: Deployment) -> None:
    worker = workload.start_worker(1, **STEADY)
    begin(workload)
    workload.wait_for_pages(SCAN, 3)
    holder: list[int] = []

    def find_reconciler() -> bool:
        token = workload.redis.get(workload.keys.commit(StageRef(SCAN, "work")))
        if isinstance(token, bytes):
            holder.append(int(token.split(b":")[-2]))
        return bool(holder)

    workload.wait(find_reconciler, 30, "a commit")
    assert holder[0] != worker.pid, "it is a process of its own"
    os.kill(holder[0], signal.SIGKILL)
    workload.wait_for_status(SCAN, "completed")
    assert_each_page_done_once(workload)


def test_a_short_book_does_not_wait_for_the_end_of_a_long_one(workload: Deployment) -> None:
    workload.start_worker(2, WORK_SECONDS="0.02")
    begin(workload, 2000, "long")
    begin(workload, 20, "short")
    workload.wait_for_status("short", "completed")
    done = len(workload.completed("long"))
    assert done < 500, f"the long book had {done} pages by then"
    workload.producer("cancel", "long", "--stage", "work")
    assert workload.checkpoint("long")["status"] == "cancelled"


def test_a_page_in_hand_is_stopped_when_its_stage_is_cancelled_now(workload: Deployment) -> None:
    workload.start_worker(1, WORK_SECONDS="600", LEAFMARK_CLAIM_SECONDS="1")
    begin(workload)
    workload.wait(lambda: workload.attempts(SCAN), 60, "a page in hand")
    done = workload.producer("cancel", SCAN, "--stage", "work", "--now")
    assert "1 was stopped" in done.stderr
    assert f"cancelled with 0 of {PAGES} pages complete; {PAGES - 1} waiting pages dropped" in done.stdout
    claim = workload.keys.claim(StageRef(SCAN, "work"), 1)
    workload.wait(lambda: not workload.redis.exists(claim), 20, "the claim of the stopped page to run out")
    assert workload.attempts(SCAN) == [1], "nothing is worked on any more"
    assert workload.checkpoint(SCAN)["status"] == "cancelled"
