"""The proxy in front of a server that says everything once more."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from chaos.proxy import FaultProxy
from tests.support.waiting import wait_until

PATIENCE_SECONDS = 0.2


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):
            while data := self.request.recv(1000):
                self.server.heard.append(data)  # type: ignore[attr-defined]  # ours, set below
                self.request.sendall(data)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Echo) as made:
        made.heard = []  # type: ignore[attr-defined]  # what clients said, for the tests
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def proxy(server: _Server) -> Iterator[FaultProxy]:
    made = FaultProxy(server.server_address[1], seed=1)
    made.start()
    yield made
    made.stop()


def connect(proxy: FaultProxy) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    client.settimeout(5)
    return client


def say(client: socket.socket, words: bytes = b"hello") -> bytes:
    client.sendall(words)
    return client.recv(1000)


def say_until_lost(client: socket.socket) -> int:
    """How many replies came before one did not."""
    for count in range(1000):
        with suppress(ConnectionError):
            if say(client):
                continue
        return count
    raise AssertionError("no reply was ever lost")


def test_without_faults_everything_comes_through(proxy: FaultProxy) -> None:
    with connect(proxy) as one, connect(proxy) as other:
        assert say(one) == b"hello"
        assert say(other, b"there") == b"there"


def test_a_lost_reply_resets_its_connection_and_the_command_was_heard(proxy: FaultProxy, server: _Server) -> None:
    proxy.lose_replies("reset")
    with connect(proxy) as client:
        replies = say_until_lost(client)
    assert len(server.heard) == replies + 1  # type: ignore[attr-defined]  # set by the fixture
    proxy.behave()
    with connect(proxy) as client:
        assert all(say(client) for _ in range(50))


def test_a_connection_that_lost_a_reply_in_silence_stays_silent(proxy: FaultProxy) -> None:
    proxy.lose_replies("silent")
    with connect(proxy) as client:
        client.settimeout(PATIENCE_SECONDS)
        with pytest.raises(TimeoutError):
            say_until_lost(client)
        proxy.behave()
        with pytest.raises(TimeoutError):
            say(client)


def test_replies_are_delayed(proxy: FaultProxy) -> None:
    proxy.delay_replies(PATIENCE_SECONDS)
    with connect(proxy) as client:
        started = time.monotonic()
        assert say(client) == b"hello"
        assert time.monotonic() - started >= PATIENCE_SECONDS


@pytest.mark.parametrize("cut", [False, True])
def test_a_black_hole_accepts_and_says_nothing_until_it_ends(proxy: FaultProxy, cut: bool) -> None:
    with connect(proxy) as before:
        assert say(before) == b"hello"
        proxy.hold()
        with connect(proxy) as during:
            for client in (before, during):
                client.settimeout(PATIENCE_SECONDS)
                with pytest.raises(TimeoutError):
                    say(client)
                client.settimeout(5)
            proxy.release(cut=cut)
            if cut:
                with pytest.raises(ConnectionError):
                    before.recv(1000)
            else:
                assert before.recv(1000) == b"hello"


def test_connections_are_cut(proxy: FaultProxy) -> None:
    with connect(proxy) as client:
        assert say(client) == b"hello"
        proxy.cut(0.0)
        assert say(client) == b"hello"
        proxy.cut()
        with pytest.raises(ConnectionError):
            say(client)


def test_connections_are_refused_and_those_that_are_there_stay(proxy: FaultProxy) -> None:
    with connect(proxy) as client:
        assert say(client) == b"hello"
        proxy.refuse()
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        assert say(client) == b"hello"
    proxy.accept()
    proxy.accept()
    with connect(proxy) as client:
        assert say(client) == b"hello"


def test_a_server_that_is_away_costs_the_connection_only(proxy: FaultProxy, server: _Server) -> None:
    server.shutdown()
    server.server_close()

    def is_cut() -> bool:
        with connect(proxy) as client:
            try:
                return say(client) == b""
            except ConnectionError:
                return True

    wait_until(is_cut, 5, "the connection to be cut")
