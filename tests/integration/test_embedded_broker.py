"""The embedded broker: a server that a run left behind does not go on writing into the files of the next one."""

from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from producer.run.embedded_broker import EmbeddedBroker, embedded_broker


def test_start_ends_the_server_that_a_killed_run_left_on_the_same_folder(tmp_path: Path) -> None:
    folder = tmp_path / "valkey"
    folder.mkdir()
    left = EmbeddedBroker(folder)
    try:
        with embedded_broker(folder) as broker, Redis.from_url(broker.url) as client:
            assert client.ping()
            with Redis.from_url(left.url) as old, pytest.raises(RedisConnectionError):
                old.ping()
    finally:
        left.stop()


def test_start_leaves_a_server_of_another_folder_alone_that_has_the_port_of_an_earlier_one(tmp_path: Path) -> None:
    for name in ("other", "valkey"):
        (tmp_path / name).mkdir()
    other = EmbeddedBroker(tmp_path / "other")
    try:
        config = (tmp_path / "other" / "valkey.conf").read_bytes()
        (tmp_path / "valkey" / "valkey.conf").write_bytes(config)
        with embedded_broker(tmp_path / "valkey"), Redis.from_url(other.url) as client:
            assert client.ping()
    finally:
        other.stop()
