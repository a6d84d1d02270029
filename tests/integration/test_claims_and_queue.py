"""Claims and queue against a real server, with the real Celery application publishing."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from checkpointing.page_records import FailedPage
from producer.run.embedded_broker import EmbeddedBroker
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake, page_parts
from tests.support.stages import Gate
from tests.support.waiting import wait_until
from worker.pipeline.process_page import process_page
from worker.queue.dispatch import PAGE_TASK
from worker.queue.message_filter import admit
from worker.queue.messages import Outcome, PageMessage


@pytest.fixture
def fake(tmp_path: Path, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDeployment]:
    with Redis.from_url(broker.url) as redis:
        made = make_fake(tmp_path / "scans", monkeypatch, redis, redis_url=broker.url, claim_seconds=1.0)
        made.write_scan()
        with made.app:
            yield made


def messages(fake: FakeDeployment) -> list[dict[str, Any]]:
    """The messages in the queue's list, oldest first, as a worker takes them."""
    raw: Any = fake.redis.lrange(fake.parts.queues.keys.queue(STAGE), 0, -1)
    return [json.loads(admit(each, STAGE)) for each in reversed(raw)]


def arguments(message: dict[str, Any]) -> dict[str, Any]:
    _, keywords, _ = json.loads(message["body"])
    found: dict[str, Any] = keywords
    return found


def test_pages_arrive_in_the_list_of_the_stages_queue_with_names_that_can_be_read(fake: FakeDeployment) -> None:
    assert list(fake.queue.put([1, 2])) == [1, 2]
    first, second = messages(fake)
    assert first["headers"]["task"] == PAGE_TASK == "page.process"
    assert first["headers"]["kwargsrepr"] == f"{{'page': 1, 'stage': '{STAGE}', 'scan_id': '{SCAN}'}}"
    assert first["content-type"] == "application/json"
    assert first["properties"]["delivery_info"]["routing_key"] == STAGE
    assert arguments(second) == {"scan_id": SCAN, "stage": STAGE, "page": 2}


def test_every_key_starts_with_the_prefix_of_the_deployment(
    tmp_path: Path, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Redis.from_url(broker.url) as redis:
        settings = {"redis_url": broker.url, "key_prefix": "mine:"}
        fake = make_fake(tmp_path / "scans", monkeypatch, redis, **settings)
        with fake.app:
            list(fake.queue.put([1]))
        keys: Any = redis.keys()
        assert b"mine:celery:stamp" in keys
        assert all(key.startswith(b"mine:") for key in keys)


def test_a_page_goes_in_once_however_many_put_it_in_at_once(fake: FakeDeployment) -> None:
    pages = range(1, 101)
    together = threading.Barrier(4)
    put: list[int] = []

    def run() -> None:
        together.wait()
        put.extend(fake.another_process().queues.queue(REF).put(pages))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(put) == list(pages)
    assert fake.waiting_pages() == list(pages)


def test_one_of_many_that_want_a_page_gets_it(fake: FakeDeployment) -> None:
    together = threading.Barrier(8)
    done = threading.Barrier(8)
    got: list[int] = []

    def run() -> None:
        together.wait()
        with fake.another_process().queues.claims.take(REF, 1) as claim:
            if claim is not None:
                got.append(claim.attempt)
            done.wait()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert got == [1]


def test_a_claim_is_released_in_one_step_with_what_is_handed_over(fake: FakeDeployment) -> None:
    """Also by a server that has forgotten the script meanwhile."""
    with fake.parts.queues.claims.take(REF, 1) as claim:
        assert claim is not None
        fake.redis.script_flush()
        claim.hand_over(FailedPage(page=1, kind="torn", message="torn"), fake.parts.queues.inbox(REF))
        assert not fake.redis.exists(claim.key)
        assert [entry.page for entry in fake.entries()] == [1]


def test_a_queue_that_was_purged_carries_nothing(fake: FakeDeployment) -> None:
    list(fake.queue.put([1, 2, 3]))
    assert fake.queue.carried() == {1, 2, 3}
    fake.redis.delete(fake.parts.queues.keys.queue(STAGE))
    assert fake.queue.carried() == set()


def test_a_page_is_done_against_a_real_server(fake: FakeDeployment) -> None:
    list(fake.queue.put([1]))
    assert fake.process(1).value == "complete"
    assert fake.process(1).value == "already_complete"
    fake.commit()
    assert fake.checkpoint().completed_pages == [1]
    assert fake.stage.runs == [1]


def test_a_page_that_takes_longer_than_its_lease_stays_with_its_worker(fake: FakeDeployment) -> None:
    gate = fake.stage.act = Gate()
    outcomes: list[Outcome] = []
    worker = threading.Thread(target=lambda: outcomes.append(fake.process(1)))
    worker.start()
    gate.wait_until_begun()
    claim = fake.parts.queues.keys.claim(REF, 1)
    fake.redis.pexpire(claim, 600)
    wait_until(lambda: fake.redis.pttl(claim) > 800, 5, "a renewal")
    assert (
        process_page(*page_parts(fake.another_process()), PageMessage(scan_id=SCAN, stage=STAGE, page=1))
        is Outcome.HELD
    )
    gate.go.set()
    worker.join(10)
    assert outcomes == [Outcome.COMPLETE]
    assert fake.stage.runs == [1]
