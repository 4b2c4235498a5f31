"""The connections to receivers: one in each transport, kept for a few seconds after use.

One pool for all would look at every connection for each request, which costs more than the request once hundreds stall.
"""

from __future__ import annotations

import importlib.util
import sys
import time

import httpx

from shared.outbound import OutboundPolicy, transport
from shared.outbound.sending import tls_context
from shared.webhooks.queue import Receiver

KEPT_S = 4.0
KEPT_EACH = 32
KEPT_IN_ALL = 128


class Lines:
    """Lends a transport for one attempt at a time; for one event loop."""

    def __init__(self, policy: OutboundPolicy) -> None:
        self._policy = policy
        self._context = tls_context(policy)
        self._kept: dict[Receiver, list[tuple[float, httpx.AsyncBaseTransport]]] = {}
        self._number = 0
        _find_nothing_once()

    def take(self, receiver: Receiver) -> httpx.AsyncBaseTransport:
        """Return a transport that nobody uses, the one used last if there is one for this receiver."""
        kept = self._kept.get(receiver)
        if not kept:
            return transport(self._policy, context=self._context)
        self._number -= 1
        return kept.pop()[1]

    async def give(self, receiver: Receiver, line: httpx.AsyncBaseTransport, *, sound: bool) -> None:
        """Take a transport back; one that failed, or that would be too many, is closed."""
        kept = self._kept.setdefault(receiver, [])
        if sound and len(kept) < KEPT_EACH and self._number < KEPT_IN_ALL:
            kept.append((time.monotonic(), line))
            self._number += 1
        else:
            await line.aclose()

    async def tidy(self) -> None:
        """Close what has not been used for a while."""
        now = time.monotonic()
        for receiver in list(self._kept):
            old = [one for one in self._kept[receiver] if now - one[0] > KEPT_S]
            self._kept[receiver] = [one for one in self._kept[receiver] if now - one[0] <= KEPT_S]
            if not self._kept[receiver]:
                del self._kept[receiver]
            self._number -= len(old)
            for _, line in old:
                await line.aclose()

    async def close(self) -> None:
        """Close all that are kept."""
        for kept in self._kept.values():
            for _, line in kept:
                await line.aclose()
        self._kept.clear()


def _find_nothing_once() -> None:
    """Spare httpcore its search for a package that is not there: it makes a dozen of them a request, 2 ms together."""
    if "sniffio" not in sys.modules and importlib.util.find_spec("sniffio") is None:
        sys.modules["sniffio"] = None  # type: ignore[assignment]  # Python's own way to say so
