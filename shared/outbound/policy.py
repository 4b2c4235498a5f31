"""What may be called: ports, schemes, and the hosts that an operator has allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Protocol

from shared.outbound.addresses import Address, is_inside, is_public, unmapped
from shared.outbound.hosts import address_of, is_inner_name, normal_host

Network = IPv4Network | IPv6Network

_ENTRY = re.compile(r"(?P<wild>\*\.)?(?P<host>\[[^\]]*\]|[^:\[\]]+)(?::(?P<port>[1-9][0-9]{0,4}))?")
MOST_PORT = 65535

# Ports of services that speak no HTTP and could take a request for a command (WHATWG Fetch, section 2.9), and of
# databases, brokers and daemons that often listen without a password.
_NO_HTTP = frozenset(
    {
        1719,
        1720,
        1723,
        2049,
        2181,
        2375,
        2376,
        2379,
        2380,
        3306,
        3389,
        3659,
        4045,
        4190,
        4369,
        5060,
        5061,
        5432,
        5671,
    }
    | {
        5672,
        5984,
        6000,
        6379,
        6380,
        6443,
        6566,
        *range(6665, 6670),
        6679,
        6697,
        9042,
        9200,
        9300,
        10080,
        10250,
    }
    | {10255, 11211, 15672, 26379, 27017}
)


class OutboundSettings(Protocol):
    """The settings that this package reads."""

    @property
    def webhook_allowed_hosts(self) -> str:
        """Return the entries of the allow-list, separated by commas."""

    @property
    def webhook_ports(self) -> str:
        """Return the ports of hosts that are not on it, separated by commas."""

    @property
    def webhook_denied_networks(self) -> str:
        """Return networks that may never be called, separated by commas."""

    @property
    def webhook_ca_file(self) -> str:
        """Return a file of further certificate authorities, empty for none."""


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry of the allow-list."""

    host: str
    """In normal form; with `subdomains` the name above those that are allowed."""
    port: int | None = None
    """The one port; None for 80, 443 and what is above 1023 and known for no other service."""
    subdomains: bool = False

    @classmethod
    def parse(cls, text: str) -> AllowedHost:
        """Read `host`, `host:port`, `*.example.org`, `10.0.0.5`, `::1`, `[::1]` or `[::1]:9000`.

        Raises:
            ValueError: it is none of these.
        """
        wrong = f"INKQUEUE_WEBHOOK_ALLOWED_HOSTS: {text!r} is no host, host:port or *.domain"
        match = _ENTRY.fullmatch(f"[{text}]" if text.count(":") > 1 and "[" not in text else text)
        if match is None or int(match["port"] or 1) > MOST_PORT:
            raise ValueError(wrong)
        try:
            host = normal_host(match["host"])
        except ValueError as error:
            raise ValueError(wrong) from error
        if match["wild"] and (address_of(host) is not None or not _may_stand_above(host)):
            raise ValueError(wrong)
        return cls(host, int(match["port"]) if match["port"] else None, bool(match["wild"]))

    def covers(self, host: str, port: int) -> bool:
        """Tell whether the entry allows a host in normal form on a port."""
        named = host.endswith(f".{self.host}") if self.subdomains else host == self.host
        return named and (port == self.port if self.port is not None else _is_web_port(port))


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """Who may be called: public hosts by https on a few ports, and the hosts that an operator has allowed."""

    allowed: tuple[AllowedHost, ...] = ()
    ports: frozenset[int] = frozenset({443, 8443})
    denied: tuple[Network, ...] = ()
    """Networks that are inside although their numbers are public."""
    ca_file: str = ""
    most_url: int = 2048
    """Characters of the longest URL."""
    resolve_s: float = 3.0
    """Seconds that the resolution of a name may take."""
    connect_s: float = 5.0
    """Seconds that one connection may take, resolution and TLS not included."""

    @classmethod
    def from_settings(cls, settings: OutboundSettings) -> OutboundPolicy:
        """Read the policy from the settings.

        Raises:
            ValueError: an entry of the allow-list, a network or a port cannot be read; nothing is guessed.
        """
        entries = (entry.strip() for entry in settings.webhook_allowed_hosts.split(","))
        return cls(
            allowed=tuple(AllowedHost.parse(entry) for entry in entries if entry),
            ports=frozenset(_port(text) for text in settings.webhook_ports.split(",") if text.strip()),
            denied=tuple(
                _network(text.strip()) for text in settings.webhook_denied_networks.split(",") if text.strip()
            ),
            ca_file=settings.webhook_ca_file,
        )

    def lists(self, host: str, port: int) -> bool:
        """Tell whether the operator has allowed a host in normal form on a port."""
        return any(entry.covers(host, port) for entry in self.allowed)

    def takes(self, address: Address, host: str, port: int) -> bool:
        """Tell whether a host in normal form may be called at an address.

        An allowed name may lead into the own network, but never to link-local, metadata or multicast addresses, nor
        into a denied network; an address is allowed by itself.
        """
        listed = self.lists(host, port)
        if listed and address == address_of(host):
            return True
        if any(unmapped(address) in network for network in self.denied):
            return False
        return is_public(address) or (listed and is_inside(address))


def _network(text: str) -> Network:
    """Read one network of the settings."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"INKQUEUE_WEBHOOK_DENIED_NETWORKS: {text!r} is no network") from error


def _may_stand_above(host: str) -> bool:
    """Tell whether `*.` before a name is no slip: `*.example.org` and `*.internal` are none, `*.com` is."""
    return "." in host or is_inner_name(f"x.{host}")


def _port(text: str) -> int:
    """Read one port of the settings."""
    port = int(text) if text.strip().isascii() and text.strip().isdecimal() else 0
    if not 1 <= port <= MOST_PORT:
        raise ValueError(f"INKQUEUE_WEBHOOK_PORTS: {text!r} is no port")
    return port


def _is_web_port(port: int) -> bool:
    """Tell whether a port may be one of a web server."""
    return port in {80, 443} or (port >= 1024 and port not in _NO_HTTP)
