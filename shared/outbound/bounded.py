"""Connections that bring only so many bytes: a receiver cannot keep its caller busy with reading."""

from __future__ import annotations

import ssl
from typing import Any

import httpcore

MOST_BYTES = 64 * 1024
"""Bytes of one answer: status line and headers, interim answers too, and the little of the body that is read."""
STEP_BYTES = 4096
"""Read at once, so that parsing never holds up everything else for long."""


class BoundedStream(httpcore.AsyncNetworkStream):
    """A connection on which no answer is longer than `MOST_BYTES`; whatever is sent begins the next one."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = MOST_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some of an answer.

        Raises:
            httpcore.RemoteProtocolError: it is too long.
        """
        if self._left <= 0:
            raise httpcore.RemoteProtocolError("the answer is too long")
        found = await self._stream.read(min(max_bytes, STEP_BYTES, self._left), timeout)
        self._left -= len(found)
        return found

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send, which begins the next answer."""
        self._left = MOST_BYTES
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Go on with TLS, bounded as well."""
        return BoundedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows of itself."""
        return self._stream.get_extra_info(info)
