"""HTTP/1.1 by httptools, with bounds on everything that a client may do before an endpoint sees it, or after.

uvicorn alone waits for ever for a head that drips, keeps any number of headers and of pipelined requests, and for a
reader who does not read. What is no HTTP is answered with a problem document too, where an answer can still be sent.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.addresses import NOWHERE, Proxies, place
from api.wire import Refusal
from shared.logs import get_logger
from shared.settings import Settings

log = get_logger(__name__)

LINGER_S = 5.0
"""A client that still sends after its answer may read the answer for so long."""
SPARE_BYTES = 64 * 1024
"""Chunked framing, trailers and the like may take this much, and as much again as `FRAMING` times the body."""
FRAMING = 8
PIPELINED = 16
"""Requests that may wait on one connection for the answers before theirs."""
READ_BYTES = 4096
"""A reader who takes this much of what waits for him gets as much time again."""


class Protocol(HttpToolsProtocol):
    """uvicorn's own, with bounds; `bounded` gives it those of the settings."""

    settings = Settings.model_construct()
    proxies = Proxies("")
    addresses: ClassVar[Counter[str]] = Counter()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take a connection, unless there are too many; its first head must be here soon."""
        super().connection_made(transport)
        self._place = place(self.client[0]) if self.client else NOWHERE
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._why = Refusal.NO_HTTP
        self.timeout_keep_alive = self.settings.keep_alive_s  # type: ignore[assignment]  # any number serves
        self._in_head = True
        self._head_bytes = 0
        self._framing = 0
        self._counted = not (self.client and self.proxies.trusts(self.client[0]))
        self.addresses[self._place] += self._counted
        s = self.settings
        mine = self.addresses[self._place]
        if (s.max_connections and len(self.connections) > s.max_connections) or (
            s.max_connections_per_address and self._counted and mine > s.max_connections_per_address
        ):
            log.warning(
                "connection_refused", address=self._place, connections=len(self.connections), mine=mine
            )
            self._refuse(Refusal.TOO_MANY_CONNECTIONS)
            return
        self._after("head", s.header_timeout_s, self._head_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self.addresses[self._place] -= self._counted
        if self.addresses[self._place] <= 0:
            del self.addresses[self._place]
        self.pipeline.clear()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a head and those between chunks are counted."""
        if self.transport.is_closing():
            return  # what comes after a refusal is nobody's
        if self._in_head:
            if "head" not in self._timers:  # not even an empty line prolongs the wait for a head
                self._after("head", self.settings.header_timeout_s, self._head_late)
            self._head_bytes += len(data)
        else:
            self._framing += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._head_bytes > self.settings.max_header_bytes:
            self._refuse(Refusal.HEAD_TOO_LARGE)
        elif self._framing > SPARE_BYTES:
            self._refuse(Refusal.FRAMING)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        self._sizes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        super().on_url(url)
        if len(self.url) > self.settings.max_url_bytes:
            self._fail(Refusal.URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are dropped, since the request is being served already."""
        if not self._in_head:
            return
        super().on_header(name, value)
        self._sizes += len(name) + len(value)
        if len(self.headers) > self.settings.max_header_count or self._sizes > self.settings.max_header_bytes:
            self._fail(Refusal.HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Serve the request whose head is here."""
        if len(self.pipeline) >= PIPELINED:
            self._fail(Refusal.TOO_MANY_PIPELINED)
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            self._fail(Refusal.HOST)
        self._in_head = False
        self._head_bytes = 0
        self._framing = 0
        self._stop("head")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, which pays for the framing around it."""
        self._framing = max(-SPARE_BYTES, self._framing - (FRAMING + 1) * len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request; what follows is the next one's head."""
        self._in_head = True
        self._head_bytes = 0
        self._framing = 0
        self._stop("linger")
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """Go on, or let a client that is still sending read its answer for a while and then close."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._after("flush", self.settings.send_timeout_s, self._drop)
        elif not self._in_head:
            self._unset_keepalive_if_required()
            self._after("linger", LINGER_S, self._close)

    def pause_writing(self) -> None:
        """Note that the client does not read; it has so long to go on."""
        super().pause_writing()
        self._watch_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Note that it reads again."""
        super().resume_writing()
        self._stop("read")

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also one whose client leaves the last answer unread."""
        self._close()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, and close."""
        self._refuse(self._why)

    def _fail(self, why: Refusal) -> NoReturn:
        """Make the parser stop; it then asks for the answer."""
        self._why = why
        raise ValueError(why.name)

    def _watch_reader(self, unsent: int) -> None:
        """Drop a reader who has not taken anything worth naming when the time is over."""

        def look() -> None:
            now = self.transport.get_write_buffer_size()
            if unsent - now < READ_BYTES:
                self._drop()
            else:
                self._watch_reader(now)

        self._after("read", self.settings.send_timeout_s, look)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with a problem document if nothing else is being answered here, then close."""
        cycle: Any = self.cycle
        busy = cycle is not None and not cycle.response_complete
        if not busy or not (self._in_head or cycle.response_started or self.pipeline):
            self.transport.write(refusal.answer())
        self._close()

    def _head_late(self) -> None:
        """Close a connection on which no head came; tell a client that has sent a part of one."""
        if self._head_bytes and not self.transport.is_closing():
            self._refuse(Refusal.HEAD_LATE)
        else:
            self._close()

    def _close(self) -> None:
        """Close when what was written is sent, at the latest after the time that a reader has."""
        if not self.transport.is_closing():
            self.transport.close()
        self._after("flush", self.settings.send_timeout_s, self._drop)

    def _drop(self) -> None:
        """Close at once, whatever is unsent."""
        log.info("connection_dropped", address=self._place, unsent=self.transport.get_write_buffer_size())
        self.transport.abort()

    def _after(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        self._stop(name)
        self._timers[name] = self.loop.call_later(seconds, action)

    def _stop(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()


def bounded(settings: Settings) -> type[Protocol]:
    """Return the protocol with the bounds of these settings, and a count of its own."""
    return type(
        "BoundedProtocol",
        (Protocol,),
        {"settings": settings, "proxies": Proxies(settings.trusted_proxies), "addresses": Counter()},
    )
