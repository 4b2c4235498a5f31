"""No text leads a webhook to an address that is not public, however it is written."""

from __future__ import annotations

import asyncio
import threading
import time
from ipaddress import IPv4Address, IPv6Address

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import WebhookUrlRefused
from shared.outbound import OutboundPolicy, check_url, transport
from shared.outbound.dialing import AddressRefused, CheckedDialer
from shared.outbound.policy import AllowedHost
from shared.outbound.urls import parse
from tests.shared.outbound_tricks import REFUSED_ADDRESSES, REFUSED_HOSTS, TRICKS

POLICY = OutboundPolicy()
PUBLIC = "93.184.215.14"
REFUSED_AT_CONNECTION = "the host leads to an address that may not be called"


def resolve_public(name: str) -> list[str]:
    """Answer like a resolver that finds every name at a public address."""
    return [PUBLIC]


class Undialled(httpcore.AsyncMockBackend):
    """A network that fails the test when somebody dials."""

    async def connect_tcp(self, host: str, *args: object, **kwargs: object) -> httpcore.AsyncNetworkStream:
        """Fail."""
        raise AssertionError(f"{host} was dialled")


def test_there_are_enough_tricks() -> None:
    """The table holds each trick once, and no fewer than it did."""
    assert len(set(TRICKS)) == len(TRICKS) >= 400


@pytest.mark.parametrize("url", TRICKS)
def test_a_trick_is_refused_when_given(url: str) -> None:
    """The text alone decides, even if a resolver finds the host at a public address; people are told why."""
    with pytest.raises(WebhookUrlRefused) as refused:
        check_url(url, POLICY, resolve=resolve_public)
    assert refused.value.detail.startswith("The webhook URL ")
    assert refused.value.detail.endswith(".")


def test_every_trick_is_refused_when_sent() -> None:
    """None of the texts reaches a server, not even one that the sender's library would have tidied up."""

    async def send_all() -> list[str]:
        passed = []
        inside = transport(POLICY, resolve=lambda name: ["127.0.0.1"])
        async with httpx.AsyncClient(transport=inside, trust_env=False) as sender:
            # odd writings of a public address are left out: a test calls nobody
            for url in (url for url in TRICKS if "[2606:4700::1111]" not in url):
                try:
                    await sender.post(url, content=b"{}")
                except (WebhookUrlRefused, httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
                    continue
                except Exception as error:
                    outcome = str(error)
                else:
                    outcome = "sent"
                if outcome != REFUSED_AT_CONNECTION:
                    passed.append(f"{url!r}: {outcome}")
        return passed

    assert asyncio.run(send_all()) == []


def _dialled(host: str, found: list[str]) -> bool:
    """Tell whether a host with these addresses is let through to the network."""
    dialler = CheckedDialer(POLICY, lambda name: found, Undialled([]))
    try:
        asyncio.run(dialler.connect_tcp(host, 443))
    except AddressRefused:
        return False
    except AssertionError:
        return True
    raise AssertionError("neither refused nor dialled")


def test_a_refused_host_is_never_dialled() -> None:
    """Below the URL the dialler holds by itself: whatever host comes, nothing but a public address is dialled."""
    hosts = [*REFUSED_ADDRESSES, *(host for host in REFUSED_HOSTS if "[" not in host)]
    assert [host for host in hosts if _dialled(host, ["127.0.0.1"])] == []
    assert _dialled("example.org", [PUBLIC])


@pytest.mark.parametrize("others", [[], [PUBLIC], ["2606:4700::1111", PUBLIC]])
def test_a_name_that_leads_inside_is_refused(others: list[str]) -> None:
    """One refused address among a name's addresses is enough, wherever it stands; the answer names none of them."""
    for address in REFUSED_ADDRESSES:
        for found in ([address, *others], [*others, address]):
            with pytest.raises(WebhookUrlRefused) as refused:
                check_url("https://rebind.example.org/", POLICY, resolve=lambda name, found=found: found)
            assert address not in refused.value.detail
            assert not _dialled("rebind.example.org", found)


@pytest.mark.parametrize("found", [["fe80::1%eth0"], ["not an address"], [""], [PUBLIC, "::1%lo"]])
def test_what_a_resolver_should_not_say_is_refused(found: list[str]) -> None:
    """An answer that is no plain address leads nowhere."""
    with pytest.raises(WebhookUrlRefused):
        check_url("https://example.org/", POLICY, resolve=lambda name: found)
    with pytest.raises(httpcore.ConnectError):
        asyncio.run(CheckedDialer(POLICY, lambda name: found, Undialled([])).connect_tcp("example.org", 443))


def test_inner_names_cannot_be_told_from_unknown_ones() -> None:
    """The words for a name that leads inside are those for a name that nobody knows."""

    def unknown(name: str) -> list[str]:
        raise OSError("unknown")

    details = []
    for resolve in (unknown, lambda name: ["10.0.0.7"], lambda name: []):
        with pytest.raises(WebhookUrlRefused) as refused:
            check_url("https://vault.example.org/", POLICY, resolve=resolve)
        details.append(refused.value.detail)
    assert len(set(details)) == 1


def test_search_domains_are_not_tried() -> None:
    """A public name is looked up as it stands, so `vault.prod` is never `vault.prod.svc.cluster.local`."""
    asked: list[str] = []

    def note(name: str) -> list[str]:
        asked.append(name)
        return [PUBLIC]

    check_url("https://vault.prod/", POLICY, resolve=note)
    check_url("http://receiver/", OutboundPolicy(allowed=(AllowedHost("receiver"),)), resolve=note)
    assert asked == ["vault.prod.", "receiver"]


@pytest.mark.parametrize(
    ("url", "normal", "authority"),
    [
        ("https://example.org", "https://example.org/", "example.org"),
        ("https://example.org/", "https://example.org/", "example.org"),
        ("HTTPS://EXAMPLE.ORG:443/Hook", "https://example.org/Hook", "example.org"),
        ("https://example.org?x=1", "https://example.org/?x=1", "example.org"),
        ("https://example.org:8443/a?b=c&d=%20", "https://example.org:8443/a?b=c&d=%20", "example.org:8443"),
        ("https://example.org/..", "https://example.org/", "example.org"),
        ("https://example.org/a/..?x", "https://example.org/?x", "example.org"),
        ("https://example.org/a/../b/./c", "https://example.org/b/c", "example.org"),
        ("https://example.org/@me?to=a@b.c", "https://example.org/@me?to=a@b.c", "example.org"),
        ("https://example.org/über", "https://example.org/%C3%BCber", "example.org"),
        ("https://bücher.de/", "https://xn--bcher-kva.de/", "xn--bcher-kva.de"),
        ("https://xn--bcher-kva.de/", "https://xn--bcher-kva.de/", "xn--bcher-kva.de"),
        ("https://r3---a.example.org/", "https://r3---a.example.org/", "r3---a.example.org"),
        ("https://a_b.example.org/", "https://a_b.example.org/", "a_b.example.org"),
        ("https://127.0.0.1.example.org/", "https://127.0.0.1.example.org/", "127.0.0.1.example.org"),
        ("https://localhost.example.org/", "https://localhost.example.org/", "localhost.example.org"),
        ("https://8.8.8.8/", "https://8.8.8.8/", "8.8.8.8"),
        ("https://[2606:4700:0::1111]/", "https://[2606:4700::1111]/", "[2606:4700::1111]"),
        ("https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com/services/T0/B0/x", "hooks.slack.com"),
    ],
)  # fmt: skip
def test_a_good_url_is_accepted_in_its_normal_form(url: str, normal: str, authority: str) -> None:
    """What is stored and requested is normal, and checking it again changes nothing."""
    checked = check_url(url, POLICY, resolve=resolve_public)
    assert (checked.url, checked.authority) == (normal, authority)
    assert check_url(checked.url, POLICY, resolve=resolve_public) == checked


def test_a_resolver_that_hangs_is_given_up() -> None:
    """The submission waits no longer than the limit, and later look-ups still find a thread."""
    held = threading.Event()
    policy = OutboundPolicy(resolve_s=0.05)

    def hang(name: str) -> list[str]:
        held.wait(50)
        return [PUBLIC]

    started = time.monotonic()
    with pytest.raises(WebhookUrlRefused, match="in time"):
        check_url("https://slow.example.org/", policy, resolve=hang)
    with pytest.raises(httpcore.ConnectTimeout):
        asyncio.run(CheckedDialer(policy, hang, Undialled([])).connect_tcp("slow.example.org", 443))
    assert check_url("https://example.org/", POLICY, resolve=resolve_public).addresses
    held.set()
    assert time.monotonic() - started < 30


def _notations_4(address: IPv4Address) -> list[str]:
    """Return the ways in which libraries write and read one IPv4 address."""
    number = int(address)
    a, b, c, d = address.packed
    return [
        str(address), str(number), hex(number), f"0{number:o}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a}.{number & 0xFFFFFF}", f"{a}.{b}.{number & 0xFFFF}", f"{a:03}.{b:03}.{c:03}.{d:03}", f"{address}.",
        str(number + 2**32), "".join(chr(ord(x) + 0xFEE0) if x != "." else "。" for x in str(address)),
        f"[::ffff:{address}]", f"[::{address}]", f"[64:ff9b::{address}]",
        f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::1]",
        f"[2606:4700::5efe:{address}]", f"[64:ff9b:1::{address}]", f"[::ffff:0:{address}]",
    ]  # fmt: skip


REFUSED_NETWORKS = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
]  # fmt: skip
REFUSED_NETWORKS_6 = [
    "::/3", "4000::/2", "8000::/1", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "fc00::/7", "fe80::/10",
    "ff00::/8", "64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0/96",
]  # fmt: skip


@given(st.one_of(st.ip_addresses(network=network) for network in REFUSED_NETWORKS))
def test_no_notation_of_a_refused_address_passes(address: IPv4Address) -> None:
    """Every address of every refused IPv4 network is refused in every notation, and as an answer of the resolver."""
    for host in _notations_4(address):
        with pytest.raises(WebhookUrlRefused):
            parse(f"https://{host}/", POLICY)
    assert not POLICY.takes(address, "example.org", 443)


@given(st.one_of(st.ip_addresses(network=network) for network in REFUSED_NETWORKS_6))
def test_no_refused_ipv6_address_passes(address: IPv6Address) -> None:
    """Every address of every refused IPv6 network is refused, short, long and in capitals."""
    for host in (str(address), address.exploded, address.exploded.upper()):
        with pytest.raises(WebhookUrlRefused):
            parse(f"https://[{host}]/", POLICY)
    assert not POLICY.takes(address, "example.org", 443)


_PIECES = st.sampled_from(
    ["https://", "http://", "example.org", "127.0.0.1", "[::1]", "@", ":", "443", "/", "\\", "?", "#", "%", "%2e", ".",
     "..", "。", "１", "xn--", "ü", "\t", " ", "&", ";", "localhost", "0x7f", "[", "]"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=12).map("".join) | st.lists(_PIECES).map(lambda p: "https://" + "".join(p)))
def test_whatever_passes_is_read_alike_by_the_sender(text: str) -> None:
    """No text is one host to the check and another to the library that sends."""
    try:
        found = parse(text, POLICY)
    except WebhookUrlRefused:
        return
    sent = httpx.URL(found.url)
    assert (sent.scheme, sent.raw_host.decode(), sent.port or 443) == (
        found.scheme,
        found.host.strip("[]"),
        found.port,
    )
    assert sent.raw_path.decode() == found.target
    assert sent.host
    assert not sent.userinfo
    assert parse(found.url, POLICY) == found
