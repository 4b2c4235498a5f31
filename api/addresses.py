"""Who is at the other end: the peer itself, or the hop before the proxies that are trusted."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.types import Scope

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NOWHERE = "local"
"""A peer without an address, as on a Unix socket."""
_SITE = 64
"""Bits of an IPv6 address that its owner does not choose; he has all the rest to himself."""


class Proxies:
    """The proxies whose word about a request's origin counts.

    Args:
        trusted: addresses and networks, separated by commas.

    Raises:
        ValueError: one of them is no address or network.
    """

    def __init__(self, trusted: str) -> None:
        self._networks = [ipaddress.ip_network(part.strip()) for part in trusted.split(",") if part.strip()]

    def trusts(self, host: str) -> bool:
        """Tell whether this peer is one of them."""
        address = parse(host)
        return address is not None and any(address in network for network in self._networks)

    def resolved(self, scope: Scope) -> Scope:
        """Return the scope with the client and scheme that trusted proxies tell of, else unchanged.

        The client is the rightmost hop of `X-Forwarded-For` that is no trusted proxy: what stands left of it may have
        been invented by that very client.
        """
        peer = scope.get("client")
        if not self._networks or not peer or not self.trusts(peer[0]):
            return scope
        headers = Headers(scope=scope)
        host = self._origin(peer[0], _parts(headers.getlist("x-forwarded-for")))
        schemes = _parts(headers.getlist("x-forwarded-proto"))
        scheme = schemes[-1] if schemes and schemes[-1] in ("http", "https") else scope["scheme"]
        return {**scope, "client": (host, 0), "scheme": scheme}

    def _origin(self, peer: str, hops: list[str]) -> str:
        """Walk from the nearest hop outwards; what is no address ends the walk."""
        nearest = peer
        for hop in reversed(hops):
            address = parse(hop)
            if address is None:
                break
            nearest = str(address)
            if not self.trusts(nearest):
                break
        return nearest


def parse(text: str) -> Address | None:
    """Read an address as proxies write it: bare, with a port, in brackets; an IPv4-mapped one is an IPv4 one."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@lru_cache(4096)
def place(host: str | None) -> str:
    """Return what an address is counted under: itself, of IPv6 its /64, which one customer has as a whole."""
    address = parse(host or "")
    if address is None:
        return NOWHERE
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address) >> _SITE << _SITE, _SITE)))
    return str(address)


def _parts(values: Iterable[str]) -> list[str]:
    """Split lists that may stand in several header lines."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]
