"""The address of Redis: what cannot be used is refused when the settings are loaded, in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from redis import ConnectionPool

from checkpointing.errors import SettingsError
from worker.app import make_app
from worker.config.redis_url import check_redis_url, socket_options_of
from worker.config.settings import load_settings
from worker.queue.broker import tls_options
from worker.queue.connection import connect

GOOD = [
    "redis://localhost:6379/0",
    "redis://localhost",
    "redis://",
    "redis://[::1]:6379/1",
    "redis://:pass%2Fword@host:6379/0",
    "redis://user:pass@host",
    "redis://host?db=3",
    "redis://host/0?socket_timeout=2.5&socket_connect_timeout=1&socket_keepalive=True&health_check_interval=30",
    "redis://host/0?client_name=books&protocol=2&max_connections=50&retry_on_timeout=no",
    "redis://host/0?username=u&password=p%3Fw",
    "rediss://host/0",
    "rediss://host/0?ssl_cert_reqs=none",
    "rediss://host/0?ssl_cert_reqs=none&ssl_check_hostname=false",
    "rediss://host/0?ssl_min_version=772&ssl_ciphers=HIGH&socket_timeout=5",
    "unix:///run/redis.sock",
    "unix://user:password@/run/redis.sock?db=2&socket_timeout=3",
]
BAD = {
    "redis://h/0?ssl_cert_reqs=none": "its option 'ssl_cert_reqs' is for rediss:// and not for redis://",
    "unix:///s?ssl_ca_certs=/ca": "its option 'ssl_ca_certs' is for rediss:// and not for unix://",
    "unix:///s?socket_keepalive=1": "'socket_keepalive' is for redis:// and rediss:// and not for unix://",
    "redis://h/0?timeout=5": "it has an unknown option 'timeout'; did you mean 'socket_timeout'?",
    "redis://h/0?decode_responses=true": "it has an unknown option 'decode_responses'",
    "redis://h/0?qqq=1": "it has an unknown option 'qqq'; options: db, username",
    "redis://h/0?socket_timeout=fast": "its option 'socket_timeout' is 'fast', and should be a number of seconds",
    "redis://h/0?socket_timeout=0": "should be a number of seconds above 0",
    "redis://h/0?socket_timeout=inf": "should be a number of seconds above 0",
    "redis://h/0?socket_keepalive=flase": "should be true or false",
    "redis://h?db=-1": "should be a number of a database",
    "redis://h?db=first": "its option 'db' is 'first'",
    "redis://h?protocol=4": "should be 2 or 3",
    "redis://h?max_connections=0": "should be a number above 0",
    "redis://h?db=": "its option 'db' has no value",
    "redis://h?db": "its option 'db' has no value",
    "redis://h?client_name=a&client_name=b": "its option 'client_name' is given twice",
    "redis://h/1?db=2": "the number of its database is given twice",
    "redis://h/books": "the part after the host is not the number of a database",
    "redis://h:port/0": "its host or port is not valid",
    "redis://h:70000/0": "its host or port is not valid",
    "redis://[::1/0": "its host or port is not valid",
    "redis://:ge/heim@h:6379/0": "its host or port is not valid; special characters",
    "redis://:12/geheim@h:6379/0": "the part after the host is not the number of a database",
    "redis://:ge#heim@h:6379/0": "special characters in its password must be percent-encoded",
    "redis://:1#geheim@h:6379/0": "it contains a '#'",
    "rediss://h?ssl_cert_reqs=never": "should be none, optional or required",
    "rediss://h?ssl_ca_certs=/nowhere/ca.pem": "file of its option 'ssl_ca_certs' does not exist: /nowhere/ca.pem",
    "rediss://h?ssl_ca_path=/nowhere": "the folder of its option 'ssl_ca_path' does not exist",
    "rediss://h?ssl_keyfile=/nowhere/key.pem": "'ssl_keyfile' needs the option 'ssl_certfile'",
    "rediss://h?ssl_ca_certs=/etc/hostname": "its option 'ssl_ca_certs' cannot be used",
    "rediss://h?ssl_ciphers=none-such": "its option 'ssl_ciphers' cannot be used",
    "rediss://h?ssl_min_version=1": "should be 771 (TLS 1.2) or 772 (TLS 1.3)",
    "unix://": "it has no path of a socket",
    "unix://run/redis.sock": "the path of its socket is not absolute",
    "http://h": "it does not begin with redis://, rediss:// or unix://",
    "localhost:6379": "it does not begin with redis://, rediss:// or unix://",
    "": "it does not begin with redis://, rediss:// or unix://",
}


@pytest.mark.parametrize("url", GOOD)
def test_an_address_that_is_accepted_makes_connections_for_both_clients(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAFMARK_REDIS_URL", url)
    settings = load_settings()
    assert settings.redis_url == url
    client = connect(settings)
    client.connection_pool.make_connection()
    client.close()
    with make_app(settings).connection_for_write() as connection:
        assert connection.transport_options["socket_timeout"] > 0


@pytest.mark.parametrize(("url", "reason"), BAD.items(), ids=BAD)
def test_an_address_that_cannot_be_used_is_refused_in_one_line_without_its_password(
    url: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAFMARK_REDIS_URL", url)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith("wrong settings: LEAFMARK_REDIS_URL")
    assert reason in message
    assert "\n" not in message
    assert "geheim" not in message
    assert "Value error" not in message


def test_every_accepted_option_is_one_that_redis_py_has() -> None:
    for url in GOOD:
        ConnectionPool.from_url(url, **tls_options(url)).make_connection()


def test_certificates_of_the_clients_are_tried(tmp_path: Path) -> None:
    ca, other = trustme.CA(), trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    mine = ca.issue_cert("me.example")
    mine.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "me.pem"))
    other.issue_cert("me.example").private_key_pem.write_to_path(str(tmp_path / "other.pem"))
    good = f"rediss://h?ssl_ca_certs={tmp_path}/ca.pem&ssl_certfile={tmp_path}/me.pem&ssl_keyfile={tmp_path}/me.pem"
    assert check_redis_url(good) == good
    with pytest.raises(ValueError, match="its option 'ssl_certfile' cannot be used"):
        check_redis_url(f"rediss://h?ssl_certfile={tmp_path}/me.pem&ssl_keyfile={tmp_path}/other.pem")


def test_without_a_check_of_certificates_the_hostname_is_not_checked_either() -> None:
    assert tls_options("rediss://h?ssl_cert_reqs=none")["ssl_check_hostname"] is False
    assert tls_options("rediss://h")["ssl_check_hostname"] is True


def test_timeouts_of_the_address_reach_celery_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "redis://h?socket_timeout=31.5&health_check_interval=3"
    assert socket_options_of(url) == {"socket_timeout": 31.5, "health_check_interval": 3}
    monkeypatch.setenv("LEAFMARK_REDIS_URL", url)
    options = make_app(load_settings()).conf.broker_transport_options
    assert (options["socket_timeout"], options["health_check_interval"]) == (31.5, 3)


@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"])
def test_celery_goes_to_no_broker_of_another_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "redis://elsewhere.example:1/0")
    monkeypatch.setenv("LEAFMARK_REDIS_URL", "redis://ours.example/0")
    app = make_app(load_settings())
    for connection in (app.connection_for_read(), app.connection_for_write()):
        assert connection.hostname == "ours.example"
        assert connection.transport_cls == "worker.queue.message_filter:FilteringTransport"


def test_a_worker_with_a_broker_of_its_own_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "worker.launch.safe_celery", "-b", "redis://127.0.0.1:1/0", "worker"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"LEAFMARK_CONFIG": "", "LEAFMARK_STORAGE_ROOT": str(tmp_path), "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 7, done.stderr
    (line,) = done.stderr.splitlines()
    assert "set LEAFMARK_REDIS_URL instead" in line


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "producer.cli", "status"],
        ["-m", "producer.cli", "doctor"],
        ["-m", "worker.launch.safe_celery", "worker"],
        ["-P", "-m", "celery", "-A", "worker", "worker"],
        ["-m", "worker.launch.safe_celery", "flower", "--address=127.0.0.1"],
    ],
    ids=["producer", "doctor", "worker", "celery", "flower"],
)
def test_every_process_ends_with_code_7_at_a_wrong_address(command: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={
            "LEAFMARK_REDIS_URL": "redis://127.0.0.1:1/0?ssl_cert_reqs=none",
            "LEAFMARK_CONFIG": "",
            "LEAFMARK_STORAGE_ROOT": str(tmp_path),
            "HOME": str(tmp_path),
        },
    )
    assert done.returncode == 7, done.stderr
    (line,) = done.stderr.splitlines()
    assert "its option 'ssl_cert_reqs' is for rediss:// and not for redis://" in line
