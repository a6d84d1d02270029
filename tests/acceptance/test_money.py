"""Money on its worst nights: a budget that is reached, a meter that is flushed, workers that are killed."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from checkpointing.ledger_entry import State
from sample.provider import Behaviour, running_provider
from tests.support.deployment import Deployment
from tests.support.llm_deployment import (
    ask_provider,
    calls,
    insist_on_equal_books,
    spent_usd,
    start_asking_worker,
    write_read_book,
)

SCAN = "a-book"
KEY = "a-key-of-the-test"
CORRECTION = ("--stage", "correction")


def checkpoint(deployment: Deployment, stage: str = "correction") -> dict[str, Any]:
    path = deployment.root / SCAN / "checkpoints" / f"{stage}.json"
    found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    return found


def wait_for(deployment: Deployment, status: str) -> dict[str, Any]:
    deployment.wait(lambda: checkpoint(deployment).get("status") == status, 60, f"correction to be {status}")
    return checkpoint(deployment)


def test_a_budget_is_never_passed_and_a_larger_one_goes_on(deployment: Deployment) -> None:
    budget = Decimal("0.004")
    with running_provider(Behaviour(latency_seconds=0.05)) as provider:
        ask_provider(deployment, provider)
        write_read_book(deployment, SCAN, 40)
        for _ in range(2):
            start_asking_worker(deployment, threads=16)
        paused = deployment.producer("enqueue", SCAN, *CORRECTION, "--budget", str(budget), "--wait", expect=11)
        assert "budget of $0.004 is reached" in paused.stderr
        assert "--budget USD" in paused.stderr
        stood = wait_for(deployment, "paused")
        assert 0 < len(stood["completed_pages"]) < 40
        deployment.wait(lambda: not calls(deployment.root / SCAN, State.ASKED), 30, "the calls under way to end")
        assert 0 < provider.bill().total_usd <= budget
        status = json.loads(deployment.producer("status", SCAN, "--json").stdout)["stages"]["correction"]
        assert status["status"] == "paused"
        deployment.producer("enqueue", SCAN, *CORRECTION, "--budget", "1", "--wait")
        assert wait_for(deployment, "completed")["progress"]["completed"] == 40
        rows = provider.bill().rows
    assert len(rows) == 40
    insist_on_equal_books(deployment.root / SCAN, rows)


def test_a_flushed_redis_neither_forgets_what_was_spent_nor_pays_again(deployment: Deployment) -> None:
    with running_provider(Behaviour(latency_seconds=0.2)) as provider:
        ask_provider(deployment, provider)
        write_read_book(deployment, SCAN, 60)
        start_asking_worker(deployment, threads=8)
        deployment.producer("enqueue", SCAN, *CORRECTION, "--budget", "1")
        deployment.wait(lambda: provider.calls > 15, 30, "some calls")
        deployment.redis.flushdb()
        done = wait_for(deployment, "completed")
        rows = provider.bill().rows
    assert len(rows) == 60
    insist_on_equal_books(deployment.root / SCAN, rows)
    assert done["metadata"]["total_cost_usd"] == float(spent_usd(deployment.root / SCAN))


def test_a_killed_workers_answers_are_used_and_its_open_calls_are_on_the_books(deployment: Deployment) -> None:
    with running_provider(Behaviour(latency_seconds=0.5)) as provider:
        ask_provider(deployment, provider)
        write_read_book(deployment, SCAN, 40)
        killed = start_asking_worker(deployment, threads=8)
        deployment.producer("enqueue", SCAN, *CORRECTION)
        deployment.wait(lambda: provider.calls > 12, 30, "some calls")
        deployment.kill(killed)
        start_asking_worker(deployment, threads=16)
        wait_for(deployment, "completed")
        rows = provider.bill().rows
    books = insist_on_equal_books(deployment.root / SCAN, rows, killed=True)
    assert books["answered"] == 40
    assert 0 < books["lost"] <= 8
    assert len(rows) <= 40 + books["lost"]


def test_doing_pages_again_pays_again_and_the_total_never_shrinks(deployment: Deployment) -> None:
    with running_provider() as provider:
        ask_provider(deployment, provider)
        write_read_book(deployment, SCAN, 5)
        start_asking_worker(deployment, threads=4)
        deployment.producer("enqueue", SCAN, *CORRECTION, "--wait")
        once = provider.bill().total_usd
        deployment.producer("enqueue", SCAN, *CORRECTION, "--no-resume", "--wait")
        assert provider.bill().total_usd == 2 * once
        deployment.producer("reset", SCAN, *CORRECTION, "--yes")
        assert checkpoint(deployment)["metadata"]["total_cost_usd"] == float(2 * once)
        # An output that was lost costs nothing: its answer is on the books.
        deployment.producer("enqueue", SCAN, *CORRECTION, "--wait")
        (deployment.root / SCAN / "corrected" / "page_0003.json").unlink()
        calls_before = provider.calls
        deployment.producer("enqueue", SCAN, *CORRECTION, "--wait")
        assert provider.calls == calls_before
        total = provider.bill().total_usd
    assert checkpoint(deployment)["metadata"]["total_cost_usd"] == float(total) == float(3 * once)
    assert spent_usd(deployment.root / SCAN) == total


def test_the_key_is_nowhere(deployment: Deployment, tmp_path: Path) -> None:
    with running_provider(Behaviour(trouble=0.3, slow_seconds=0.1)) as provider:
        ask_provider(deployment, provider)
        write_read_book(deployment, SCAN, 20)
        start_asking_worker(deployment, threads=8)
        done = deployment.producer("enqueue", SCAN, *CORRECTION, "--wait")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 60
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    assert KEY not in done.stdout + done.stderr
    found: Any = deployment.redis.keys("*")
    assert all(KEY.encode() not in (deployment.redis.dump(key) or b"") for key in found)


def test_a_provider_that_refuses_the_key_pauses_the_stage_and_says_which_setting(deployment: Deployment) -> None:
    with running_provider() as provider:
        ask_provider(deployment, provider)
        deployment.environment["LEAFMARK_LLM_BASE_URL"] = provider.base_url.removesuffix("/v1") + "/nowhere/v1"
        write_read_book(deployment, SCAN, 3)
        start_asking_worker(deployment, threads=2)
        paused = deployment.producer("enqueue", SCAN, *CORRECTION, "--wait", expect=11)
        assert "LEAFMARK_" in paused.stderr
        deployment.stop()
        ask_provider(deployment, provider)
        start_asking_worker(deployment, threads=2)
        deployment.producer("enqueue", SCAN, *CORRECTION, "--wait")


def test_what_it_will_cost_is_said_before(deployment: Deployment) -> None:
    with running_provider() as provider:
        ask_provider(deployment, provider)
        write_read_book(deployment, SCAN, 20)
        told = deployment.producer("enqueue", SCAN, *CORRECTION, "--dry-run")
        assert "correction: 20 pages" in told.stdout
        assert "from token counts" in told.stdout
        start_asking_worker(deployment, threads=8)
        deployment.producer("enqueue", SCAN, *CORRECTION, "--end-page", "15", "--wait")
        known = deployment.producer("enqueue", SCAN, *CORRECTION, "--dry-run", "--json")
        spent = spent_usd(deployment.root / SCAN)
    forecast = json.loads(known.stdout)["forecast"]
    assert forecast["pages"] == 5
    assert abs(forecast["expected_usd"] - float(spent / 3)) < 0.000002
    assert "15 pages of this scan" in forecast["basis"]
