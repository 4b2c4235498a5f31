"""The receiver of webhooks: it verifies each, notes it, and misbehaves on demand."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from inkqueue.webhooks import WebhookTimestampRefused, WebhookVerificationError, verify


class Receiver:
    """One address on loopback."""

    def __init__(self) -> None:
        """Receive nothing yet."""
        self.secret = ""
        self.port = 0
        self.tries = 0
        self.forged: list[str] = []
        self.untimely = 0
        self.ids: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self.delivered: dict[tuple[str, str], dict[str, Any]] = {}
        self._manners: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """Return the address for `webhook_url`."""
        return f"http://127.0.0.1:{self.port}/hook"

    @contextmanager
    def behaving(self, manner: str) -> Iterator[None]:
        """Be `down`, `slow` or one that `fails` until the block ends."""
        self._manners[manner] += 1
        if manner == "down":
            for writer in list(self._open):
                writer.transport.abort()
        try:
            yield
        finally:
            self._manners[manner] -= 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._manners["down"]:
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")[1:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                if self._manners["slow"]:
                    await asyncio.sleep(random.uniform(0.5, 4.0))
                writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % self._take(headers, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def _take(self, headers: dict[str, str], body: bytes) -> int:
        """Note a try; return the status to answer with."""
        self.tries += 1
        if self._manners["fails"]:
            return 500
        try:
            event = verify(body, headers, self.secret)
        except WebhookTimestampRefused:  # the sender's clock has jumped: it has to try again
            self.untimely += 1
            return 400
        except WebhookVerificationError as error:
            self.forged.append(str(error))
            return 400
        key = (str(event.data["id"]), event.type)
        self.ids[key].add(event.id)
        self.delivered[key] = dict(event.data)
        return 200
