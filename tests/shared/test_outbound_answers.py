"""A receiver cannot keep its caller busy: whatever it answers with, only so many bytes of it are taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from shared.outbound import OutboundPolicy, transport
from shared.outbound.bounded import MOST_BYTES
from shared.outbound.policy import AllowedHost
from tests.shared.outbound_servers import Authority, receiving

ENDLESS = {
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nX: ", b"a" * 100),
    "a chunk's length": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 100),
    "blank lines": (b"", b"\r\n"),
    "a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", b"a" * 100),
}


@contextlib.asynccontextmanager
async def flooding(first: bytes, more: bytes) -> AsyncIterator[tuple[int, list[int]]]:
    """Run a receiver whose answer never ends; lend its port and the bytes that it could send."""
    sent: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(first)
            while True:
                writer.write(more * 50)
                sent.append(len(more) * 50)
                await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], sent
    finally:
        server.close()


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_answer_is_given_up(kind: str) -> None:
    """It ends by its bytes, long before the time is over, and in the words for an answer that is no HTTP."""

    async def story() -> None:
        policy = OutboundPolicy(allowed=(AllowedHost.parse("127.0.0.1"),))
        async with (
            flooding(*ENDLESS[kind]) as (port, _),
            httpx.AsyncClient(transport=transport(policy), timeout=60) as http,
        ):
            with pytest.raises(httpx.RemoteProtocolError):
                await http.post(f"http://127.0.0.1:{port}/", content=b"{}")

    asyncio.run(asyncio.wait_for(story(), 20))


def test_each_answer_has_its_own_bytes(tmp_path: Path) -> None:
    """A kept connection takes answer after answer, over TLS too, however long all of them are together."""
    body = b"a" * (MOST_BYTES // 2)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def story() -> None:
        authority = Authority(tmp_path)
        policy = OutboundPolicy(allowed=(AllowedHost.parse("hook.test"),), ca_file=str(authority.file))
        line = transport(policy, resolve=lambda name: ["127.0.0.1"])
        async with (
            receiving(answer, authority.server_context("hook.test")) as receiver,
            httpx.AsyncClient(transport=line, timeout=20) as http,
        ):
            for _ in range(4):
                found = await http.post(f"https://hook.test:{receiver.port}/", content=b"{}")
                assert found.content == body
            assert receiver.connections == 1

    asyncio.run(story())
