"""A TCP proxy between clients and server that misbehaves on request.

A lost reply ends its connection, because TCP drops no bytes in the middle of a stream: either the connection is
reset at once, or it goes silent and the client has to notice.
"""

import asyncio
import random
import secrets
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

Loss = Literal["reset", "silent"]
_LOSS_CHANCE = 0.2
# Below the ports that a system gives to clients: a client that calls a dead proxy there may connect to itself.
_PORTS = range(20_000, 32_000)
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class _Connection:
    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._client = client
        self._server = server
        self.muted = False

    def cut(self) -> None:
        raw = self._client.get_extra_info("socket")
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        self._client.transport.abort()
        self._server.transport.abort()


class FaultProxy:
    """Listens on its own loopback port and forwards data, in its own thread.

    Args:
        upstream_port: port of the server, on loopback.
        seed: decides which replies are lost.
    """

    def __init__(self, upstream_port: int, seed: int) -> None:
        self.port = 0
        self._upstream_port = upstream_port
        self._rng = random.Random(f"proxy {seed}")
        self._connections: set[_Connection] = set()
        self._loss: Loss | None = None
        self._delay = 0.0
        self._pass = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: there is no free port.
        """
        self._thread.start()
        self._do(self._pass.set)
        for _ in range(50):
            self.port = secrets.choice(_PORTS)
            with suppress(OSError):
                self.accept()
                return
        raise OSError("no free port for the proxy")

    def stop(self) -> None:
        """End the thread and every connection."""
        self.refuse()
        self.cut()
        asyncio.run_coroutine_threadsafe(_end_all_others(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def behave(self) -> None:
        """End all faults."""
        self.lose_replies(None)
        self.delay_replies(0)
        self._do(self._pass.set)
        self.accept()

    def lose_replies(self, loss: Loss | None) -> None:
        """Lose one reply in five; None ends that."""
        self._loss = loss

    def delay_replies(self, seconds: float) -> None:
        """Delay every piece of a reply by this many seconds."""
        self._delay = seconds

    def hold(self) -> None:
        """Become a black hole: connections stay open and are accepted, and nothing passes in either direction."""
        self._do(self._pass.clear)

    def release(self, *, cut: bool) -> None:
        """Stop being a black hole; data on its way arrives, or is lost with all connections."""
        if cut:
            self.cut()
        self._do(self._pass.set)

    def cut(self, share: float = 1.0) -> None:
        """Reset each connection with this probability."""

        def cut() -> None:
            for connection in [each for each in self._connections if self._rng.random() < share]:
                connection.cut()

        self._do(cut)

    def refuse(self) -> None:
        """Accept no more connections; existing ones stay."""
        if self._server is not None:
            server, self._server = self._server, None
            self._do(server.close)

    def accept(self) -> None:
        """Accept connections again.

        Raises:
            OSError: the port is taken.
        """
        if self._server is not None:
            return
        making = asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self._server = asyncio.run_coroutine_threadsafe(making, self._loop).result(10)

    def _do(self, act: Callable[[], object]) -> None:
        """Call a function in the proxy's thread, and wait for its end."""
        done = threading.Event()

        def both() -> None:
            try:
                act()
            finally:
                done.set()

        self._loop.call_soon_threadsafe(both)
        done.wait(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._pass.wait()
            upstream, downstream = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(writer, downstream)
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pass_commands(reader, downstream, connection))
                pumps.create_task(self._pass_replies(upstream, writer, connection))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(connection)
            connection.cut()

    async def _pass_commands(
        self, client: asyncio.StreamReader, server: asyncio.StreamWriter, connection: _Connection
    ) -> None:
        while data := await client.read(65_536):
            await self._pass.wait()
            server.write(data)
            await server.drain()
        connection.cut()

    async def _pass_replies(
        self, server: asyncio.StreamReader, client: asyncio.StreamWriter, connection: _Connection
    ) -> None:
        while data := await server.read(65_536):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._pass.wait()
            if self._loss and self._rng.random() < _LOSS_CHANCE:
                connection.muted = True
                if self._loss == "reset":
                    break
            if not connection.muted:
                client.write(data)
                await client.drain()
        connection.cut()


async def _end_all_others() -> None:
    """End every other task, and let their sockets be closed."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    # A transport that is aborted closes its socket in the loop's next round.
    for _ in range(3):
        await asyncio.sleep(0)
