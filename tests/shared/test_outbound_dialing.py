"""Each connection is one look-up, one check of all addresses, and a number that is dialled."""

from __future__ import annotations

import asyncio
import itertools

import httpcore
import pytest

from shared.outbound import OutboundPolicy
from shared.outbound.dialing import AddressRefused, CheckedDialer

PUBLIC = "93.184.215.14"
NAME = "hooks.example.org"


class Line(httpcore.AsyncNetworkStream):
    """A connection between two given ends."""

    def __init__(self, own: str, other: str) -> None:
        self.ends = {"client_addr": (own, 50_000), "server_addr": (other, 443)}
        self.closed = False

    def get_extra_info(self, info: str) -> object:
        """Return one end."""
        return self.ends.get(info)

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.closed = True


class Network(httpcore.AsyncNetworkBackend):
    """A network that notes what is dialled; addresses in `dead` do not answer."""

    def __init__(self, dead: tuple[str, ...] = (), own: str = "192.168.1.2") -> None:
        self.dialled: list[tuple[str, float]] = []
        self.lines: list[Line] = []
        self._dead = dead
        self._own = own

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: object, **kwargs: object
    ) -> Line:
        """Connect, or wait until the time is over."""
        self.dialled.append((host, timeout or 0))
        if host in self._dead:
            await asyncio.sleep(timeout or 0)
            raise httpcore.ConnectTimeout
        self.lines.append(Line(self._own, host))
        return self.lines[-1]


def test_the_checked_address_is_the_one_dialled() -> None:
    """One look-up a connection, and the network gets a number, so that nobody looks up again."""
    answers = itertools.chain([[PUBLIC]], itertools.repeat(["127.0.0.1"]))
    asked: list[str] = []

    def rebind(name: str) -> list[str]:
        asked.append(name)
        return next(answers)

    network = Network()
    dialler = CheckedDialer(OutboundPolicy(), rebind, network)
    asyncio.run(dialler.connect_tcp(NAME, 443))
    assert [address for address, _ in network.dialled] == [PUBLIC]
    assert asked == [f"{NAME}."]
    with pytest.raises(AddressRefused):
        asyncio.run(dialler.connect_tcp(NAME, 443))
    assert len(network.dialled) == 1


def test_a_dead_address_leaves_time_for_the_next() -> None:
    """Addresses are tried in turn, each with its share of the limit."""
    network = Network(dead=("2606:4700::1111",))
    policy = OutboundPolicy(connect_s=0.2)
    dialler = CheckedDialer(policy, lambda name: ["2606:4700::1111", PUBLIC], network)
    asyncio.run(dialler.connect_tcp(NAME, 443, timeout=60))
    assert [address for address, _ in network.dialled] == ["2606:4700::1111", PUBLIC]
    assert network.dialled[0][1] == pytest.approx(0.1)
    with pytest.raises(httpcore.ConnectTimeout):
        asyncio.run(
            CheckedDialer(policy, lambda name: [PUBLIC], Network(dead=(PUBLIC,))).connect_tcp(NAME, 443)
        )


def test_the_machines_own_public_address_is_refused() -> None:
    """What listens on this machine behind a firewall is not reached by way of its own public address."""
    network = Network(own=PUBLIC)
    with pytest.raises(AddressRefused):
        asyncio.run(CheckedDialer(OutboundPolicy(), lambda name: [PUBLIC], network).connect_tcp(NAME, 443))
    assert network.lines[0].closed


def test_a_socket_file_is_refused() -> None:
    """No setting of the sender leads to a Unix socket."""
    dialler = CheckedDialer(OutboundPolicy(), lambda name: [PUBLIC], Network())
    with pytest.raises(AddressRefused):
        asyncio.run(dialler.connect_unix_socket("/run/docker.sock"))
