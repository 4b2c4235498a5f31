"""A receiver of webhooks on loopback, whose behaviour a test chooses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        """Return the id of the message."""
        return self.headers["webhook-id"]

    @property
    def document(self) -> dict[str, Any]:
        """Return the body, read."""
        found: dict[str, Any] = orjson.loads(self.body)
        return found


@dataclass
class Answer:
    """What the receiver answers."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stall_s: float = 0.0
    drip: bool = False


class Receiver:
    """Keeps what arrives; `answer` decides about each request."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.answer: Callable[[Received], Answer] = lambda _request: Answer()
        self.stopping = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        """Return an address of this receiver."""
        return f"http://127.0.0.1:{self.port}/hook"

    def events(self) -> list[str]:
        """Return the types of what has arrived, in order."""
        return [request.document["type"] for request in self.requests]


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.path, headers, body, time.time())
            receiver.requests.append(request)
            answer = receiver.answer(request)
            if answer.stall_s:
                receiver.stopping.wait(answer.stall_s)
            try:
                self._reply(answer)
            except OSError:
                self.close_connection = True

        def _reply(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.drip:
                self.end_headers()
                while not receiver.stopping.wait(0.05):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                return
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: object, client_address: object) -> None:
        """A sender that goes away is part of the tests."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver in threads of this process."""
    receiver = Receiver()
    server = _Server(("127.0.0.1", 0), _handler(receiver))
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
