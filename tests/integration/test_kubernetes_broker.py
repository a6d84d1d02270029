"""The broker of deploy/kubernetes: its very script, on a server from the wheel."""

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from redis import AuthenticationError, Redis
from redis.exceptions import RedisError
from ruamel.yaml import YAML

from producer.run.embedded_broker import EmbeddedBroker
from tests.support.waiting import exit_code_of, wait_until

MANIFEST = Path(__file__).parents[2] / "deploy" / "kubernetes" / "base/valkey.yaml"
PASSWORD = "0123456789abcdef-_"  # noqa: S105  # of a server that lives as long as this test


def test_it_starts_with_its_password_and_keeps_what_it_is_told(tmp_path: Path, broker: EmbeddedBroker) -> None:
    with Redis.from_url(broker.url) as embedded:
        valkey = Path(str(embedded.info("server")["executable"]))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    _, stateful_set = YAML(typ="safe").load_all(MANIFEST)
    container: dict[str, Any] = stateful_set["spec"]["template"]["spec"]["containers"][0]
    here = f"--dir {tmp_path} --bind 127.0.0.1 --port {port}"
    script = container["args"][0].replace("--dir /data", here)
    environment = {"PATH": f"{valkey.parent}:{os.environ['PATH']}", container["env"][0]["name"]: PASSWORD}
    server = subprocess.Popen([*container["command"], script], env=environment, stdout=subprocess.DEVNULL)
    try:
        with Redis(port=port, password=PASSWORD) as client, Redis(port=port) as stranger:
            wait_until(lambda: _answers(client), 20, "the broker")
            assert client.config_get("appendonly", "maxmemory-policy") == {
                "appendonly": "yes",
                "maxmemory-policy": "noeviction",
            }
            with pytest.raises(AuthenticationError):
                stranger.ping()
        assert PASSWORD not in Path(f"/proc/{server.pid}/cmdline").read_text()
    finally:
        server.terminate()
        assert exit_code_of(server) == 0, "it is the server that gets the signal, not a shell"


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
