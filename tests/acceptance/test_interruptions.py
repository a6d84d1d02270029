"""What a night can do to a book: workers killed, outputs damaged, Redis flushed, everything twice."""

import os
import signal

import pytest

from checkpointing.refs import StageRef
from tests.support.deployment import WORKLOAD_PRODUCER, Deployment, Process
from tests.support.fake_deployment import write_scan
from tests.support.waiting import exit_code_of

PAGES = 24
SCAN = "slips"


@pytest.fixture
def book(workload: Deployment) -> Deployment:
    """One whose pages only take their time: an engine makes no difference here, and takes the cores."""
    write_scan(workload.root, SCAN, PAGES)
    workload.environment["WORK_SECONDS"] = "0.2"
    return workload


def _lock_holder(deployment: Deployment, workers: list[Process]) -> Process | None:
    """The worker whose reconciler, a process of its group, holds the commit lock just now."""
    token = deployment.redis.get(deployment.keys.commit(StageRef(SCAN, "work")))
    if not isinstance(token, bytes):
        return None
    try:
        group = os.getpgid(int(token.split(b":")[-2]))
    except ProcessLookupError:
        # It was killed, and its lock has not run out yet.
        return None
    return next((worker for worker in workers if worker.pid == group), None)


def test_killed_workers_lose_no_page_and_repeat_none(book: Deployment) -> None:
    # Slow enough for the book to outlast a lock whose holder was killed.
    workers = [book.start_worker(WORK_SECONDS="0.5"), book.start_worker(WORK_SECONDS="0.5")]
    book.producer("enqueue", SCAN, "--stage", "work")
    book.wait_for_pages(SCAN, 2)
    book.kill(workers.pop(0))

    book.wait_for_pages(SCAN, 4)
    holder: list[Process] = []
    book.wait(lambda: holder.extend(filter(None, [_lock_holder(book, workers)])) or holder, 30, "a lock holder")
    book.kill(holder[0])

    before = book.outputs(SCAN)
    assert 4 <= len(before) < PAGES
    book.start_worker()
    book.start_worker()
    checkpoint = book.wait_for_status(SCAN, "completed")
    assert checkpoint["completed_pages"] == list(range(1, PAGES + 1))
    after = book.outputs(SCAN)
    assert {page: after[page] for page in before} == before
    done = book.pages_done_in_logs(SCAN)
    assert len(done) == len(set(done))


def test_exactly_the_damaged_pages_are_done_again(book: Deployment) -> None:
    book.start_worker(2)
    book.producer("enqueue", SCAN, "--stage", "work", "--wait")
    before = book.outputs(SCAN)
    folder = book.root / SCAN / "work"
    (folder / "page_0003.json").unlink()
    truncated = folder / "page_0005.json"
    truncated.write_bytes(truncated.read_bytes()[:-20])
    altered = folder / "page_0007.json"
    altered.write_bytes(altered.read_bytes().replace(b'"text":', b'"text": '))

    again = book.producer("enqueue", SCAN, "--stage", "work", "--wait")
    assert "3 pages enqueued" in again.stdout
    assert "Page 3 is processed again: missing" in again.stderr
    assert "Page 5 is processed again: unreadable" in again.stderr
    assert "Page 7 is processed again: changed" in again.stderr
    assert f"Resuming: {PAGES - 3} of {PAGES} pages complete" in again.stderr
    after = book.outputs(SCAN)
    assert {page for page in before if after[page][0] != before[page][0]} == {3, 5, 7}
    assert book.checkpoint(SCAN)["status"] == "completed"
    book.insist_on_pages_done(SCAN, [*range(1, PAGES + 1), 3, 5, 7])


def test_a_flushed_redis_costs_no_page(book: Deployment) -> None:
    book.start_worker(2)
    book.producer("enqueue", SCAN, "--stage", "work")
    book.wait_for_pages(SCAN, 3)
    before = book.outputs(SCAN)
    book.redis.flushall()
    book.producer("enqueue", SCAN, "--stage", "work", "--wait")
    after = book.outputs(SCAN)
    assert book.checkpoint(SCAN)["completed_pages"] == list(range(1, PAGES + 1))
    assert {page: after[page] for page in before} == before


def test_two_producers_at_once_do_no_page_twice(book: Deployment) -> None:
    producers = [book.start([*WORKLOAD_PRODUCER, "enqueue", SCAN, "--stage", "work"]) for _ in range(2)]
    book.start_worker(2)
    assert [book.wait_for_exit(producer) for producer in producers] == [0, 0], book.logs()
    book.wait_for_status(SCAN, "completed")
    book.insist_on_pages_done(SCAN, range(1, PAGES + 1))


def test_a_worker_that_is_asked_to_stop_finishes_its_page_and_commits_it(book: Deployment) -> None:
    worker = book.start_worker(2)
    book.producer("enqueue", SCAN, "--stage", "work")
    book.wait_for_pages(SCAN, 2)
    os.kill(worker.pid, signal.SIGTERM)
    assert exit_code_of(worker) == 0
    assert set(book.outputs(SCAN)) == book.completed(SCAN)
