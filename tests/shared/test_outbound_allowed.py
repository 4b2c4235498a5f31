"""What an operator allows is allowed, nothing beside it, and a slip in the settings stops the start."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from shared.errors import WebhookUrlRefused
from shared.outbound import OutboundPolicy, check_url
from shared.outbound.urls import parse
from shared.settings import Settings

POLICY = OutboundPolicy()
PUBLIC = "93.184.215.14"


def resolve_public(name: str) -> list[str]:
    """Answer like a resolver that finds every name at a public address."""
    return [PUBLIC]


def _allowing(hosts: str, ports: str = "443,8443") -> OutboundPolicy:
    """Return the policy of an operator's settings."""
    return OutboundPolicy.from_settings(Settings(webhook_allowed_hosts=hosts, webhook_ports=ports))


@pytest.mark.parametrize(
    ("allowed", "url", "address"),
    [
        ("receiver", "http://receiver/", "10.0.0.9"),
        ("receiver", "http://RECEIVER:9000/", "10.0.0.9"),
        ("localhost", "http://localhost:8000/", "127.0.0.1"),
        ("localhost", "http://localhost:8000/", "::1"),
        ("a.org, hooks.corp.example:9443", "https://hooks.corp.example:9443/", "192.168.3.4"),
        ("*.corp.example", "http://a.b.corp.example/", "172.20.0.3"),
        ("*.internal", "https://a.internal/", "fd12::7"),
        ("127.0.0.1", "http://127.0.0.1:5000/", "127.0.0.1"),
        ("::1", "http://[::1]:5000/", "::1"),
        ("[::1]:5000", "http://[0:0::1]:5000/", "::1"),
        ("169.254.169.254", "http://169.254.169.254/", "169.254.169.254"),
        ("example.org:22", "https://example.org:22/", PUBLIC),
        ("bücher.de", "http://xn--bcher-kva.de/", PUBLIC),
    ],
)
def test_an_allowed_host_may_be_inside(allowed: str, url: str, address: str) -> None:
    """The operator's entry opens http, inner addresses and the ports of web servers to its host."""
    assert check_url(url, _allowing(allowed), resolve=lambda name: [address]).addresses == (
        ip_address(address),
    )
    with pytest.raises(WebhookUrlRefused):
        check_url(url, _allowing(""), resolve=lambda name: [address]) if address != PUBLIC else parse(
            url, POLICY
        )


@pytest.mark.parametrize(
    ("allowed", "url", "address"),
    [
        ("example.org", "http://evil-example.org/", PUBLIC),
        ("example.org", "http://example.org.evil.net/", PUBLIC),
        ("example.org", "http://a.example.org/", PUBLIC),
        ("*.example.org", "http://example.org/", PUBLIC),
        ("*.example.org", "http://evilexample.org/", PUBLIC),
        ("*.example.org", "http://x.example.org.evil.net/", PUBLIC),
        ("receiver:9000", "http://receiver:9001/", "10.0.0.9"),
        ("receiver:9000", "http://receiver/", "10.0.0.9"),
        ("receiver", "http://receiver:22/", "10.0.0.9"),
        ("receiver", "http://receiver:6379/", "10.0.0.9"),
        ("receiver", "ftp://receiver/", "10.0.0.9"),
        ("127.0.0.1", "http://127.0.0.2/", "127.0.0.2"),
        ("127.0.0.1", "http://localhost/", "127.0.0.1"),
        ("127.0.0.1", "http://127.1/", "127.0.0.1"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]/", "127.0.0.1"),
        ("127.0.0.1", "https://rebind.example.org/", "127.0.0.1"),
        ("localhost", "http://127.0.0.1/", "127.0.0.1"),
        ("localhost", "http://localhost./", "127.0.0.1"),
        ("localhost", "http://a.localhost/", "127.0.0.1"),
        ("receiver", "http://receiver/", "169.254.169.254"),
        ("receiver", "http://receiver/", "::ffff:169.254.169.254"),
        ("receiver", "http://receiver/", "100.100.100.200"),
        ("receiver", "http://receiver/", "fd00:ec2::254"),
        ("receiver", "http://receiver/", "fe80::1"),
        ("receiver", "http://receiver/", "0.0.0.0"),
        ("receiver", "http://receiver/", "224.0.0.1"),
        ("receiver", "http://receiver/", "168.63.129.16"),
        ("receiver", "http://receiver/", "64:ff9b::a9fe:a9fe"),
        ("*.example.org", "http://dangling.example.org/", "169.254.169.254"),
    ],
)
def test_an_entry_allows_nothing_beside_it(allowed: str, url: str, address: str) -> None:
    """No entry matches by accident, and an allowed name leads to no metadata address."""
    with pytest.raises(WebhookUrlRefused):
        check_url(url, _allowing(allowed), resolve=lambda name: [address])


def test_an_allowed_name_may_be_unknown_as_yet() -> None:
    """A receiver within the own network may start after the job was submitted."""

    def unknown(name: str) -> list[str]:
        raise OSError("unknown")

    assert check_url("http://receiver/", _allowing("receiver"), resolve=unknown).addresses == ()


@pytest.mark.parametrize(
    "entry",
    ["*", "*.*", "*.com", "**.example.org", "a.*.org", "*example.org", "http://example.org", "example.org/", "a b",
     "10.0.0.0/8", "example.org:0", "example.org:65536", "example.org:x", "example.org:", "[::1",
     "*.[::1]", "*.127.0.0.1", "127.1", "user@example.org", "example.org.", ".example.org",
     "[::1]:", ":80", "１２７.0.0.1", "::1%lo"],
)  # fmt: skip
def test_an_entry_that_cannot_be_read_stops_the_start(entry: str) -> None:
    """An operator hears of a slip at once; nothing is guessed."""
    with pytest.raises(ValueError, match="INKQUEUE_WEBHOOK_ALLOWED_HOSTS"):
        _allowing(entry)


@pytest.mark.parametrize("ports", ["x", "0", "65536", "-1", "443;80", "٤٤٣"])
def test_ports_that_cannot_be_read_stop_the_start(ports: str) -> None:
    """The same holds for the ports."""
    with pytest.raises(ValueError, match="INKQUEUE_WEBHOOK_PORTS"):
        _allowing("", ports)


def test_ports_are_a_setting() -> None:
    """An operator may open further ports to public hosts."""
    assert check_url("https://example.org:9443/", _allowing("", "9443"), resolve=resolve_public).port == 9443
    with pytest.raises(WebhookUrlRefused, match="9443"):
        check_url("https://example.org/", _allowing("", "9443"), resolve=resolve_public)


def test_an_operator_names_inner_networks_of_public_numbers() -> None:
    """A denied network is refused for public hosts and allowed names alike; only its own address is let through."""
    settings = Settings(
        webhook_denied_networks="93.184.0.0/16, 2606:4700:64::/96", webhook_allowed_hosts="inner,93.184.1.1"
    )
    policy = OutboundPolicy.from_settings(settings)
    for found in (PUBLIC, f"::ffff:{PUBLIC}", "2606:4700:64::7f00:1"):
        for url in ("https://example.org/", "http://inner/"):
            with pytest.raises(WebhookUrlRefused):
                check_url(url, policy, resolve=lambda name, found=found: [found])
    with pytest.raises(WebhookUrlRefused):
        check_url(f"https://{PUBLIC}/", policy)
    assert check_url("http://93.184.1.1/", policy).host == "93.184.1.1"
    with pytest.raises(ValueError, match="INKQUEUE_WEBHOOK_DENIED_NETWORKS"):
        OutboundPolicy.from_settings(Settings(webhook_denied_networks="10.0.0.1/8"))
