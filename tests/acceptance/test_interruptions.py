"""What a night can do to a book: workers killed, outputs damaged, Redis flushed, everything twice."""

import os
import signal
from pathlib import Path

import pytest

from sample import small_page, write_image_folder
from tests.deployment import WORKLOAD_PRODUCER, Deployment, Process
from tests.shop import write_scan

pytestmark = pytest.mark.timeout(180)
PAGES = 24
SCAN = "slips"


@pytest.fixture(scope="module")
def slips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of small pages that take a fraction of a second each."""
    folder = tmp_path_factory.mktemp("book") / SCAN
    return write_image_folder(folder, [small_page(number) for number in range(1, PAGES + 1)])


@pytest.fixture
def book(deployment: Deployment, slips: Path) -> Deployment:
    """One that is really read."""
    deployment.producer("ingest", slips)
    return deployment


@pytest.fixture
def stand_in(workload: Deployment) -> Deployment:
    """One whose pages only take their time: the engine makes no difference, and takes the cores."""
    write_scan(workload.root, SCAN, PAGES)
    workload.environment["WORK_SECONDS"] = "0.2"
    return workload


def _lock_holder(deployment: Deployment, workers: list[Process]) -> Process | None:
    """The worker whose steward, a process of its group, holds the commit lock just now."""
    token = deployment.redis.get(deployment.keys.commit(SCAN, "ocr"))
    if not isinstance(token, bytes):
        return None
    try:
        group = os.getpgid(int(token.split(b":")[-2]))
    except ProcessLookupError:
        # It was killed, and its lock has not run out yet.
        return None
    return next((worker for worker in workers if worker.pid == group), None)


def test_killed_workers_lose_no_page_and_repeat_none(book: Deployment) -> None:
    workers = [book.start_worker(), book.start_worker()]
    book.producer("enqueue", SCAN)
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


def test_exactly_the_damaged_pages_are_done_again(stand_in: Deployment) -> None:
    stand_in.start_worker(2)
    stand_in.producer("enqueue", SCAN, "--stage", "work", "--wait")
    before = stand_in.outputs(SCAN)
    folder = stand_in.root / SCAN / "work"
    (folder / "page_0003.json").unlink()
    truncated = folder / "page_0005.json"
    truncated.write_bytes(truncated.read_bytes()[:-20])
    altered = folder / "page_0007.json"
    altered.write_bytes(altered.read_bytes().replace(b'"text":', b'"text": '))

    again = stand_in.producer("enqueue", SCAN, "--stage", "work", "--wait")
    assert "3 pages enqueued" in again.stdout
    assert "Page 3 is done again: missing" in again.stderr
    assert "Page 5 is done again: unreadable" in again.stderr
    assert "Page 7 is done again: changed" in again.stderr
    assert f"Resuming: {PAGES - 3} of {PAGES} pages complete" in again.stderr
    after = stand_in.outputs(SCAN)
    assert {page for page in before if after[page][0] != before[page][0]} == {3, 5, 7}
    assert stand_in.checkpoint(SCAN)["status"] == "completed"
    stand_in.insist_on_pages_done(SCAN, [*range(1, PAGES + 1), 3, 5, 7])


def test_a_flushed_redis_costs_no_page(stand_in: Deployment) -> None:
    stand_in.start_worker(2)
    stand_in.producer("enqueue", SCAN, "--stage", "work")
    stand_in.wait_for_pages(SCAN, 3)
    before = stand_in.outputs(SCAN)
    stand_in.redis.flushall()
    stand_in.producer("enqueue", SCAN, "--stage", "work", "--wait")
    after = stand_in.outputs(SCAN)
    assert stand_in.checkpoint(SCAN)["completed_pages"] == list(range(1, PAGES + 1))
    assert {page: after[page] for page in before} == before


def test_two_producers_at_once_do_no_page_twice(stand_in: Deployment) -> None:
    producers = [stand_in.start([*WORKLOAD_PRODUCER, "enqueue", SCAN, "--stage", "work"]) for _ in range(2)]
    stand_in.start_worker(2)
    assert [producer.wait(60) for producer in producers] == [0, 0], stand_in.logs()
    stand_in.wait_for_status(SCAN, "completed")
    stand_in.insist_on_pages_done(SCAN, range(1, PAGES + 1))


def test_a_worker_that_is_asked_to_stop_finishes_its_page_and_commits_it(stand_in: Deployment) -> None:
    worker = stand_in.start_worker(2)
    stand_in.producer("enqueue", SCAN, "--stage", "work")
    stand_in.wait_for_pages(SCAN, 2)
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.wait(30) == 0
    assert set(stand_in.outputs(SCAN)) == stand_in.completed(SCAN)
