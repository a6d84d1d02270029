"""Redis over TLS: our client and Celery's both check certificates, unless the address says otherwise."""

import json
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import trustme
from redis.connection import SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.errors import BrokerError, SettingsError
from producer.run.embedded_broker import EmbeddedBroker
from tests.security.conftest import SCAN, STAGE, Site
from tests.security.tls_proxy import TlsProxy, tls_proxy
from tests.support.deployment import Deployment, deployment_in
from worker.app import make_app
from worker.config.settings import Settings, load_settings
from worker.preflight import check_broker
from worker.queue import connection

BOOK_PAGES = 12


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def _proxy(broker: EmbeddedBroker, authority: trustme.CA, *names: str) -> Iterator[TlsProxy]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    port = urlsplit(broker.url).port
    assert port
    with tls_proxy(context, port) as proxy:
        yield proxy


@pytest.fixture
def proxy(broker: EmbeddedBroker, authority: trustme.CA) -> Iterator[TlsProxy]:
    yield from _proxy(broker, authority, "localhost")


@pytest.fixture
def misnamed(broker: EmbeddedBroker, authority: trustme.CA) -> Iterator[TlsProxy]:
    """A server whose certificate is genuine and is another's."""
    yield from _proxy(broker, authority, "elsewhere.example")


def _url(proxy: TlsProxy, ca_file: Path | None = None, options: str = "") -> str:
    trusted = f"ssl_ca_certs={ca_file}" if ca_file else ""
    return f"rediss://localhost:{proxy.port}/0?{trusted}{options}"


def _settings(tmp_path: Path, url: str) -> Settings:
    return Settings(storage_root=tmp_path, redis_url=url)


def _celery_pings(settings: Settings) -> bool:
    with make_app(settings).connection_for_write() as connection, connection.channel() as channel:
        return bool(channel.client.ping())


def test_a_book_is_done_by_a_real_worker_over_tls(tmp_path: Path, proxy: TlsProxy, ca_file: Path) -> None:
    with deployment_in(tmp_path / "site", _url(proxy, ca_file)) as deployment:
        site = Site(deployment)
        site.write_scan(pages=BOOK_PAGES)
        site.start_worker()
        done = site.run("enqueue", SCAN, "--stage", STAGE, "--wait")
        assert done.returncode == 0, done.stderr + deployment.logs()
        checkpoint = json.loads(site.checkpoint_path().read_bytes())
        assert checkpoint["status"] == "completed"
        assert len(checkpoint["completed_pages"]) == BOOK_PAGES
        assert "insecure" not in deployment.logs() + done.stderr
        _wait_until_flower_knows_a_worker(deployment)
    assert proxy.connections > 2


def _wait_until_flower_knows_a_worker(deployment: Deployment) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "celery", "-A", "tests.support.workload", "flower", "--address=127.0.0.1"]
    deployment.start([*command, f"--port={port}"], FLOWER_UNAUTHENTICATED_API="true")

    def knows_one() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/api/workers?refresh=1", timeout=10) as answer:
                return bool(json.load(answer))
        except OSError:
            return False

    deployment.wait(knows_one, 60, "Flower to know the worker")


def test_without_a_ca_of_its_own_an_address_trusts_those_of_the_system(
    tmp_path: Path, proxy: TlsProxy, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(tmp_path, f"rediss://localhost:{proxy.port}/0")
    with pytest.raises(BrokerError):
        check_broker(settings)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    check_broker(settings)
    assert _celery_pings(settings)


@pytest.mark.parametrize("server", ["of an unknown CA", "of another name"])
def test_both_clients_refuse_a_certificate(
    tmp_path: Path, request: pytest.FixtureRequest, ca_file: Path, server: str
) -> None:
    settings = _settings(tmp_path, _bad_url(request, ca_file, server))
    with pytest.raises(BrokerError, match="cannot be trusted"):
        check_broker(settings)
    with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        _celery_pings(settings)


def _bad_url(request: pytest.FixtureRequest, ca_file: Path, server: str) -> str:
    if server == "of an unknown CA":
        return _url(request.getfixturevalue("proxy"))
    return _url(request.getfixturevalue("misnamed"), ca_file)


@pytest.mark.parametrize("server", ["of an unknown CA", "of another name"])
def test_command_and_worker_end_with_one_line(
    site: Site, request: pytest.FixtureRequest, ca_file: Path, server: str
) -> None:
    url = _bad_url(request, ca_file, server)
    for ended in (
        site.run("enqueue", SCAN, "--stage", STAGE, LEAFMARK_REDIS_URL=url),
        site.try_to_start_worker(LEAFMARK_REDIS_URL=url),
    ):
        assert ended.returncode == 6
        assert ended.stdout == ""
        (line,) = ended.stderr.splitlines()
        assert "cannot be trusted" in line
        assert "ssl_ca_certs=/path/to/ca.pem" in line
    assert not site.checkpoint_path().exists()


def test_checks_are_off_only_where_the_address_says_so(tmp_path: Path, misnamed: TlsProxy, ca_file: Path) -> None:
    unchecked = _settings(tmp_path, _url(misnamed, options="ssl_cert_reqs=none"))
    check_broker(unchecked)
    assert _celery_pings(unchecked)
    any_name = _settings(tmp_path, _url(misnamed, ca_file, "&ssl_check_hostname=false"))
    check_broker(any_name)
    assert _celery_pings(any_name)


@pytest.mark.parametrize("option", ["ssl_ca_certs=/nowhere/ca.pem", "ssl_cert_reqs=nonsense"])
def test_an_option_that_cannot_be_used_is_said_before_anything_connects(
    monkeypatch: pytest.MonkeyPatch, proxy: TlsProxy, option: str
) -> None:
    monkeypatch.setenv("LEAFMARK_REDIS_URL", _url(proxy, options=option))
    with pytest.raises(SettingsError, match=option.partition("=")[0]):
        load_settings()


def test_tls_spoken_to_a_server_without_it_is_tried_once(
    tmp_path: Path, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Such a server says nothing at all, and waits for more.
    monkeypatch.setattr(connection, "SOCKET_TIMEOUT_SECONDS", 1.0)
    tries = []
    connect = SSLConnection._connect

    def count(connection: SSLConnection) -> Any:
        tries.append(connection)
        return connect(connection)

    monkeypatch.setattr(SSLConnection, "_connect", count)
    with pytest.raises(BrokerError, match="does not answer"):
        check_broker(_settings(tmp_path, broker.url.replace("redis:", "rediss:")))
    assert len(tries) == 1


def test_the_secret_of_a_key_file_is_not_shown(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"rediss://127.0.0.1:{closed.getsockname()[1]}/0?ssl_password=hunter2"
        with pytest.raises(BrokerError) as caught:
            check_broker(_settings(tmp_path, url))
    assert "hunter2" not in str(caught.value)
