"""Pages that never succeed, at real workers: each is given up with its reason, and the rest of the book is done."""

import json
from typing import Any

import pytest

from tests.support.deployment import Deployment
from tests.support.fake_deployment import write_scan

SCAN = "troubled"
PAGES = 16
IMPATIENT = {
    "LEAFMARK_CLAIM_SECONDS": "1",
    "LEAFMARK_HEAL_SECONDS": "0.3",
    "LEAFMARK_STAGE_SECONDS": "work=3",
    "LEAFMARK_STAGE_GRACE_SECONDS": "work=1",
    "LEAFMARK_PAGE_MEGABYTES": "512",
    "WORK_SECONDS": "0.05",
}


def failed(checkpoint: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {each["page"]: each for each in checkpoint["failed_pages"]}


def test_a_page_that_crashes_hangs_eats_memory_or_fails_is_quarantined_and_the_rest_is_done(
    workload: Deployment,
) -> None:
    trouble = {3: "crash", 5: "hang", 7: "hang-deaf", 9: "memory", 11: "error", 13: "invalid"}
    write_scan(workload.root, SCAN, PAGES)
    workload.start_worker(3, **IMPATIENT, WORK_TROUBLE=json.dumps(trouble))
    done = workload.producer("enqueue", SCAN, "--stage", "work", "--wait", expect=8)
    assert f"{PAGES - 6} of {PAGES} pages complete, 6 quarantined" in done.stderr
    checkpoint = workload.checkpoint(SCAN)
    assert checkpoint["status"] == "failed"
    assert checkpoint["error"] == f"{PAGES - 6} of {PAGES} pages complete, 6 quarantined"
    kinds = {page: (each["kind"], each["attempts"]) for page, each in failed(checkpoint).items()}
    assert kinds == {
        3: ("crashed", 3),
        5: ("timeout", 3),
        7: ("crashed", 3),
        9: ("memory", 3),
        11: ("error", 3),
        13: ("error", 3),
    }
    for each in failed(checkpoint).values():
        assert each["message"]
        assert each["worker"]
        assert each["failed_at"]
    begun = workload.attempts(SCAN)
    assert {page: begun.count(page) for page in trouble} == dict.fromkeys(trouble, 3)
    assert {begun.count(page) for page in set(begun) - trouble.keys()} == {1}


def test_a_flushed_redis_does_not_give_a_page_that_crashes_its_process_new_attempts(workload: Deployment) -> None:
    write_scan(workload.root, SCAN, 2)
    workload.start_worker(1, **IMPATIENT, WORK_TROUBLE='{"2": "crash"}')
    workload.producer("enqueue", SCAN, "--stage", "work")
    workload.wait(
        lambda: workload.checkpoint(SCAN).get("attempts") == {"2": 1}, 60, "the attempt in the checkpoint"
    )
    workload.redis.flushall()
    checkpoint = workload.wait_for_status(SCAN, "failed")
    assert failed(checkpoint)[2]["kind"] == "crashed"
    # One that begins in the very moment of the flush may not be known yet.
    assert 3 <= workload.attempts(SCAN).count(2) <= 4


def test_in_a_pool_of_threads_a_page_that_hangs_is_given_up_all_the_same(workload: Deployment) -> None:
    write_scan(workload.root, SCAN, PAGES)
    trouble = {2: "hang", 4: "error", 6: "invalid"}
    worker = workload.start_worker(6, "--pool=threads", **IMPATIENT, WORK_TROUBLE=json.dumps(trouble))
    workload.producer("enqueue", SCAN, "--stage", "work", "--wait", expect=8)
    kinds = {page: each["kind"] for page, each in failed(workload.checkpoint(SCAN)).items()}
    assert kinds == {2: "crashed", 4: "error", 6: "error"}
    # Threads that hang cannot be ended in order.
    workload.kill(worker)


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_a_page_that_takes_longer_than_its_lease_is_done_once_in_every_pool(
    workload: Deployment, pool: str
) -> None:
    write_scan(workload.root, SCAN, 8)
    slow = {"LEAFMARK_CLAIM_SECONDS": "1", "LEAFMARK_HEAL_SECONDS": "0.3", "WORK_SECONDS": "2.5"}
    workload.start_worker(8, f"--pool={pool}", **slow)
    workload.start_worker(2, f"--pool={pool}", **slow)
    workload.producer("enqueue", SCAN, "--stage", "work", "--wait")
    assert sorted(workload.attempts(SCAN)) == list(range(1, 9))
    assert workload.checkpoint(SCAN)["status"] == "completed"
