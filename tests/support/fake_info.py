"""Teaches the fake server to say which process it is (`INFO`), as every real one does. To import this is enough."""

import secrets

from fakeredis import FakeServer
from fakeredis._commands import command
from fakeredis._socket._fakesocket import FakeSocket


@command(name="info", fixed=(), repeat=(bytes,))
def _info(socket: FakeSocket, *_sections: bytes) -> bytes:
    run_id = getattr(socket._server, "run_id", "0" * 40)
    return f"# Server\r\nrun_id:{run_id}\r\n".encode()


FakeSocket._info = _info


def restart(server: FakeServer) -> None:
    """Let a server be another process from now on. What it holds is whatever the test leaves in it."""
    server.run_id = secrets.token_hex(20)
