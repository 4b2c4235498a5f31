"""The host of a URL in its one normal form: a DNS name in ASCII, or an address."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna

from shared.outbound.addresses import Address

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_IPV6 = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\]")
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
MOST_NAME = 253

# Names that no public resolver answers, or that lead to the own machine, network or cloud (RFC 6761, 6762, 8375).
_INNER = re.compile(
    "localhost|localdomain|local|internal|intranet|private|corp|home|lan|domain|workgroup|test|invalid|example|onion"
    "|alt|arpa|svc|cluster|consul|docker|kubernetes"
)


def normal_host(text: str) -> str:
    """Return a host in its normal form: lower-case ASCII, IPv6 in brackets and compressed.

    Raises:
        ValueError: it is none; the text says for people what is wrong with it.
    """
    if text.startswith("[") or ":" in text:
        return f"[{_ipv6(text)}]"
    name = ".".join(_label(label) for label in text.split("."))
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return str(_ipv4(name))
    if len(name) > MOST_NAME:
        raise ValueError("has a host name that is too long")
    return name


def address_of(host: str) -> Address | None:
    """Return the address that a host in normal form is, None when it is a name."""
    if host.startswith("["):
        return IPv6Address(host[1:-1])
    return IPv4Address(host) if host.rpartition(".")[2].isdecimal() else None


def is_inner_name(host: str) -> bool:
    """Tell whether a name can only mean something within a machine or a network."""
    return "." not in host or _INNER.fullmatch(host.rpartition(".")[2]) is not None


def _ipv4(text: str) -> IPv4Address:
    """Read four plain decimal numbers; octal, hexadecimal, short and long notations are refused."""
    try:
        return IPv4Address(text)
    except AddressValueError as error:
        raise ValueError(
            "has a host that is neither a name nor an IPv4 address of four decimal numbers"
        ) from error


def _ipv6(text: str) -> IPv6Address:
    """Read an IPv6 address in brackets, without a zone."""
    match = _IPV6.fullmatch(text)
    try:
        return IPv6Address(match[1] if match else "")
    except AddressValueError as error:
        raise ValueError("has a host that is no IPv6 address in brackets") from error


def _label(text: str) -> str:
    """Return one label of a name in lower-case ASCII; nothing is mapped, IDNA 2008 decides (RFC 5891)."""
    label = text.translate(_ASCII_LOWER)
    if not label.isascii() or label.startswith("xn--"):
        try:
            label = idna.alabel(label).decode("ascii") if len(label) <= 63 else ""
        except (idna.IDNAError, UnicodeError) as error:
            raise ValueError("has a host name with characters that no name may have") from error
    if not _LABEL.fullmatch(label):
        raise ValueError("has no valid host name")
    return label
