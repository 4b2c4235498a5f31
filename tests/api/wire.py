"""Talk to the API byte by byte, as no HTTP library does."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass, field
from typing import Any

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Reply:
    """One answer as it came."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def problem(self) -> dict[str, Any]:
        """Return the problem document."""
        assert self.headers["content-type"] == "application/problem+json", self
        document: dict[str, Any] = json.loads(self.body)
        return document


class Wire:
    """One connection."""

    def __init__(self, port: int, source: str = "127.0.0.1", timeout_s: float = 15.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s, source_address=(source, 0))
        self._host = b"Host: 127.0.0.1:%d" % port
        self._seen = b""

    def __enter__(self) -> Wire:
        """Lend it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes, under the name that the service knows; that the other end has closed shows when reading."""
        try:
            self.socket.sendall(data.replace(b"Host: localhost", self._host))
        except (BrokenPipeError, ConnectionResetError):
            return

    def reply(self) -> Reply:
        """Read one answer with a Content-Length."""
        while b"\r\n\r\n" not in self._seen:
            self._more()
        head, _, rest = self._seen.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        size = int(headers.get("content-length", 0))
        while len(rest) < size:
            self._more()
            rest = self._seen.partition(b"\r\n\r\n")[2]
        self._seen = rest[size:]
        return Reply(int(first.split()[1]), headers, rest[:size])

    def _more(self) -> None:
        part = self.socket.recv(65536)
        if not part:
            raise AssertionError(f"the connection ended: {self._seen!r}")
        self._seen += part

    def closed_within(self, seconds: float) -> bool:
        """Read on until the other end closes; tell whether it did so in time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if not self.socket.recv(65536):
                    return True
            except ConnectionResetError:
                return True
            except TimeoutError:
                return False
        return False

    def drip(self, data: bytes, every_s: float, seconds: float) -> float:
        """Send byte by byte until the other end closes; return how long that took."""
        began = time.monotonic()
        self.socket.settimeout(every_s)
        for k in range(10**6):
            if time.monotonic() - began > seconds:
                break
            try:
                self.socket.sendall(data[k % len(data) : k % len(data) + 1])
                part = self.socket.recv(65536)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
            if not part:
                break
            self._seen += part
        return time.monotonic() - began
