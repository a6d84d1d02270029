"""A provider inside this process, for as long as a `with` block lasts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sample.provider.behaviour import Behaviour
from sample.provider.bill import Bill, Statement
from sample.provider.server import ProviderServer
from sample.provider.service import Service

_POLL_SECONDS = 0.02
"""How often the server looks whether it shall stop."""


class Provider:
    """A provider that serves from a thread of its own until it is stopped.

    Args:
        behaviour: how it answers.
        bill: file that the bill is kept in, across restarts too; None to keep it in memory.

    Raises:
        OSError: the port is taken, or the file cannot be read or written.
        ValueError: the file is no bill.
    """

    def __init__(self, behaviour: Behaviour, bill: Path | None = None) -> None:
        self._bill = Bill(bill)
        try:
            self._server = ProviderServer(behaviour.port, Service(behaviour, self._bill))
        except BaseException:
            self._bill.close()
            raise
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name="provider")
        self._thread.start()

    @property
    def base_url(self) -> str:
        """What a client of OpenAI is given as `base_url`."""
        return self._server.base_url

    @property
    def calls(self) -> int:
        """How many calls it has understood, whatever became of them."""
        return self.bill().calls

    def bill(self) -> Statement:
        """The bill as it stands; also once it has stopped."""
        return self._bill.statement()

    def stop(self) -> None:
        """Cut what is under way and return when no thread, socket or file is left open. Once is enough."""
        self._server.stop()
        self._thread.join()
        self._bill.close()


@contextmanager
def running_provider(behaviour: Behaviour | None = None, bill: Path | None = None) -> Iterator[Provider]:
    """Run a provider for the length of a `with` block.

    Args:
        behaviour: how it answers; without one rightly, at once.
        bill: file that the bill is kept in, across restarts too; None to keep it in memory.

    Raises:
        OSError: the port is taken, or the file cannot be read or written.
        ValueError: the file is no bill.
    """
    provider = Provider(behaviour or Behaviour(), bill)
    try:
        yield provider
    finally:
        provider.stop()
