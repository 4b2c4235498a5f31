"""Connections to the very addresses that were checked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from ipaddress import ip_address

import httpcore

from shared.outbound.addresses import Address
from shared.outbound.bounded import BoundedStream
from shared.outbound.check import name_to_look_up
from shared.outbound.hosts import address_of, normal_host
from shared.outbound.lookup import Resolver, start_lookup
from shared.outbound.policy import OutboundPolicy

MOST_TRIED = 4


class AddressRefused(httpcore.ConnectError):
    """The host leads to an address that may not be called."""


class CheckedDialer(httpcore.AsyncNetworkBackend):
    """A network that resolves a host once, checks every address, and dials one of those that it checked."""

    def __init__(
        self, policy: OutboundPolicy, resolve: Resolver, network: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._network = network or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a checked address of a host; an address is dialled as a number, so nothing resolves it again.

        Raises:
            AddressRefused: one of its addresses may not be called.
            httpcore.ConnectError, httpcore.ConnectTimeout: it is unknown, or does not answer in time.
        """
        try:
            normal = normal_host(f"[{host}]" if ":" in host else host)
        except ValueError as error:
            raise AddressRefused("the host is no valid name") from error
        addresses = await self._checked_addresses(normal, port)
        limit_s = min(timeout or self._policy.connect_s, self._policy.connect_s)
        return await self._dial(addresses, normal, port, limit_s, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: a socket file is never a receiver."""
        raise AddressRefused("a socket file may not be called")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._network.sleep(seconds)

    async def _checked_addresses(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a host, all of them allowed."""
        literal = address_of(host)
        addresses = [literal] if literal is not None else await self._look_up(host, port)
        if not addresses:
            raise httpcore.ConnectError("the host has no address")
        if not all(self._policy.takes(address, host, port) for address in addresses):
            raise AddressRefused("the host leads to an address that may not be called")
        return addresses

    async def _look_up(self, host: str, port: int) -> list[Address]:
        """Resolve a name once, within its time."""
        lookup = start_lookup(name_to_look_up(host, port, self._policy), self._resolve)
        try:
            async with asyncio.timeout(self._policy.resolve_s):
                return await asyncio.wrap_future(lookup)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the host could not be looked up in time") from error
        except (OSError, ValueError) as error:
            raise httpcore.ConnectError("the host is unknown") from error

    async def _dial(
        self,
        addresses: list[Address],
        host: str,
        port: int,
        limit_s: float,
        options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        """Try the addresses one after the other, each for its share of the time."""
        tried = addresses[:MOST_TRIED]
        for left, address in zip(range(len(tried), 0, -1), tried, strict=True):
            started = asyncio.get_running_loop().time()
            try:
                stream = await self._network.connect_tcp(
                    str(address), port, timeout=limit_s / left, socket_options=options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if left == 1:
                    raise
                limit_s -= asyncio.get_running_loop().time() - started
                continue
            return await self._unless_own(stream, host, port)
        raise httpcore.ConnectError("the host has no address")

    async def _unless_own(
        self, stream: httpcore.AsyncNetworkStream, host: str, port: int
    ) -> httpcore.AsyncNetworkStream:
        """Refuse a public address that turns out to be this machine's own: it would pass by the firewall."""
        ends = stream.get_extra_info("client_addr"), stream.get_extra_info("server_addr")
        own = all(ends) and ip_address(ends[0][0]) == ip_address(ends[1][0])
        if own and not self._policy.lists(host, port):
            await stream.aclose()
            raise AddressRefused("the host leads to an address that may not be called")
        return BoundedStream(stream)
