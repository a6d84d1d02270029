"""The view's questions to a real server that goes away and comes back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from producer.run.embedded_broker import EmbeddedBroker
from producer.watch.collect import (
    Collector,
    stages_of_scan,
)
from producer.watch.snapshot import Snapshot
from tests.support.fake_deployment import REF, SCAN, make_fake
from tests.support.waiting import wait_until
from worker.deployment import Deployment


def test_the_view_goes_on_without_a_server_and_finds_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.watch.collect._CLAIMS_SECONDS", 0.05)
    monkeypatch.setattr("producer.watch.collect._WORKERS_SECONDS", 0.05)
    (tmp_path / "broker").mkdir()
    broker = EmbeddedBroker(tmp_path / "broker")
    try:
        fake = make_fake(tmp_path / "scans", monkeypatch, redis_url=broker.url)
        fake.write_scan()
        fake.ask_for((1, 5))
        parts = Deployment(fake.settings, fake.app)
        with (
            parts.queues.claims.take(REF, 2),
            Collector(parts, stages_of_scan(parts.store, SCAN)) as collector,
        ):
            until(collector, lambda snapshot: snapshot.stages[0].in_flight == (2,) and snapshot.workers.asked)
            broker.stop()
            until(collector, lambda snapshot: snapshot.redis_problem and snapshot.stages[0].waiting == 5)
            broker.keep_alive()
            # The claim is taken again by whoever holds it.
            until(collector, lambda snapshot: not snapshot.redis_problem and snapshot.stages[0].in_flight == (2,))
        parts.close()
    finally:
        broker.stop()


def until(collector: Collector, holds: Callable[[Snapshot], object]) -> None:
    wait_until(lambda: holds(collector.snapshot()), 30, "such a snapshot")
