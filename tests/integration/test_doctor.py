"""The doctor and a real server: it sees what is switched off there, and changes nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from producer.doctor.broker import examine_broker
from producer.doctor.check import Level
from producer.run.embedded_broker import EmbeddedBroker
from worker.config.settings import Settings


@pytest.fixture
def server(broker: EmbeddedBroker) -> Iterator[Redis]:
    """The embedded server, whose configuration is put back afterwards."""
    with Redis.from_url(broker.url) as client:
        before: Any = client.config_get("appendonly", "maxmemory-policy", "maxmemory")
        yield client
        for name, value in before.items():
            client.config_set(name, value)


def levels(broker: EmbeddedBroker, root: Path) -> dict[str, Level]:
    return {check.name: check.level for check in examine_broker(Settings(storage_root=root, redis_url=broker.url))}


def test_the_embedded_broker_is_in_order_until_something_is_switched_off(
    broker: EmbeddedBroker, server: Redis, tmp_path: Path
) -> None:
    checks = list(examine_broker(Settings(storage_root=tmp_path, redis_url=broker.url)))
    assert {check.level for check in checks} == {Level.OK}
    assert checks[0].what.startswith("valkey ")

    server.config_set("appendonly", "no")
    assert levels(broker, tmp_path)["persistence"] is Level.WARNING
    server.config_set("maxmemory-policy", "allkeys-lru")
    server.config_set("maxmemory", int(server.info("memory")["used_memory"] * 1.02))  # type: ignore[index]
    found = levels(broker, tmp_path)
    assert (found["eviction"], found["memory"]) == (Level.PROBLEM, Level.PROBLEM)
    assert server.dbsize() == 0
