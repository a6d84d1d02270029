"""The provider's HTTP: a thread a connection on 127.0.0.1, keep-alive, and an end that leaves nothing open."""

import json
import socket
import sys
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

from sample.provider.service import Response, Service, error_response

MODEL = "sample-model"
_MAX_WAITING = 256
_HOST = "127.0.0.1"


class ProviderServer(ThreadingHTTPServer):
    """Serves until it is stopped.

    Args:
        port: of 127.0.0.1; 0 for a free one.
        service: what answers.

    Raises:
        OSError: the port is taken.
    """

    # Threads that are waited for when the server stops, instead of being left behind.
    daemon_threads = False
    # Connections that arrive at once; the usual 5 would turn clients away.
    request_queue_size = _MAX_WAITING

    def __init__(self, port: int, service: Service) -> None:
        self.service = service
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((_HOST, port), _Handler)

    @property
    def base_url(self) -> str:
        """What a client of OpenAI is given as `base_url`."""
        return f"http://{_HOST}:{self.server_port}/v1"

    def server_bind(self) -> None:
        """Bind without asking the network what this machine is called, as `HTTPServer` does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = _HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note a connection before its thread starts: the end must not miss one."""
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection and close it."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """End `serve_forever`, cut what is under way, and wait for every thread."""
        self.stopping.set()
        self.shutdown()
        with self._open_lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: ProviderServer
    protocol_version = "HTTP/1.1"
    # Head and body go out in two writes; the second would wait for the client's word on the first.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        match urlsplit(self.path).path:
            case "/bill":
                self._send(Response(HTTPStatus.OK, self.server.service.bill.statement().model_dump_json().encode()))
            case "/v1/models":
                self._send(self._refusal() or _models())
            case _:
                self._send(self._unknown())

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True
            self._send(error_response(HTTPStatus.LENGTH_REQUIRED, "no Content-Length", "invalid_request_error"))
            return
        body = self.rfile.read(int(length))
        arrived = time.monotonic()
        if urlsplit(self.path).path != "/v1/chat/completions":
            self._send(self._unknown())
            return
        self._send(self._refusal() or self.server.service.chat(body), arrived)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
        """Say nothing: the bill tells what came."""

    def _refusal(self) -> Response | None:
        scheme, _, key = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and key.strip():
            return None
        return error_response(HTTPStatus.UNAUTHORIZED, "no API key was provided", "invalid_request_error")

    def _unknown(self) -> Response:
        message = f"unknown request URL: {self.command} {urlsplit(self.path).path}"
        return error_response(HTTPStatus.NOT_FOUND, message, "invalid_request_error", code="unknown_url")

    def _send(self, response: Response, arrived: float | None = None) -> None:
        # What it took to find the answer is part of how long a call takes, not on top of it.
        thought = 0.0 if arrived is None else time.monotonic() - arrived
        stopped = self.server.stopping.wait(response.seconds - thought) if response.seconds > thought else False
        if response.body is None or stopped or self._client_is_gone():
            self.close_connection = True
            return
        self._mark(response, answer_sent=True)
        try:
            self.send_response(response.status)
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.body)
        except ConnectionError:
            self._mark(response, answer_sent=False)
            raise

    def _mark(self, response: Response, *, answer_sent: bool) -> None:
        # Before the answer goes out: whoever has it finds it on the bill as sent.
        if response.call_id is not None:
            self.server.service.bill.mark(response.call_id, answer_sent=answer_sent)

    def _client_is_gone(self) -> bool:
        """Whether the client has closed the connection, which a write need not notice."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True


def _models() -> Response:
    model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "leafmark"}
    return Response(HTTPStatus.OK, json.dumps({"object": "list", "data": [model]}).encode())
