"""Which IP addresses belong to the public internet (IANA special-purpose registries, RFC 6890 and its successors)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

# `ipaddress.is_global` differs from release to release; this list holds whatever the interpreter says.
_REFUSED_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "34.118.224.0/20",  # services of a Kubernetes cluster in Google's cloud, public by number only
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598; Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "161.26.0.0/16",  # IBM's cloud from within, public by number only
        "166.8.0.0/14",  # the same
        "168.63.129.16/32",  # Azure's wire server, public by number and reached from within only
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.80.8.124/32",  # metadata of Equinix Metal
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relay
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the broadcast address
    )
)
_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
_REFUSED_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone
        "3fff::/20",  # documentation
    )
)
_ISATAP = {0x0000_5EFE, 0x0200_5EFE}
_MAPPED = IPv6Network("::ffff:0:0/96")

# What an allowed name may lead to although it is not public. Link-local and metadata addresses are not among them.
_INSIDE_4 = tuple(
    IPv4Network(text)
    for text in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
_INSIDE_6 = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))
_METADATA = {
    IPv4Address("100.100.100.200"),
    IPv6Address("fd00:ec2::254"),
    IPv6Address("fd00:ec2::123"),
    IPv6Address("fd00:ec2::253"),
    IPv6Address("fd20:ce::254"),
}


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to the public internet and hides no other address.

    IPv6 is public in 2000::/3 only, so IPv4-mapped, IPv4-compatible, NAT64, unique-local, site-local, link-local and
    multicast addresses never are; 6to4, Teredo and ISATAP within it are refused as well.
    """
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _REFUSED_4)
    return (
        address.scope_id is None
        and address in _GLOBAL_UNICAST_6
        and address.is_global
        and not any(address in network for network in _REFUSED_6)
        and (int(address) >> 32) & 0xFFFF_FFFF not in _ISATAP
    )


def is_inside(address: Address) -> bool:
    """Tell whether an address is one of the own network that a name on the allow-list may lead to."""
    address = unmapped(address)
    if address in _METADATA:
        return False
    if isinstance(address, IPv4Address):
        return any(address in network for network in _INSIDE_4)
    return address.scope_id is None and any(address in network for network in _INSIDE_6)


def unmapped(address: Address) -> Address:
    """Return the IPv4 address in an IPv4-mapped one (RFC 4291, section 2.5.5.2)."""
    if isinstance(address, IPv6Address) and address in _MAPPED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
