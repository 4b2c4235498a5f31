"""Where a request comes from, through how many proxies soever."""

from __future__ import annotations

import pytest

from api.addresses import Proxies, place


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("6.6.6.6", "1.1.1.1", "6.6.6.6"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "1.1.1.1, 2.2.2.2", "2.2.2.2"),
        ("10.0.0.1", "1.1.1.1, 2.2.2.2, 10.9.9.9", "2.2.2.2"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "1.1.1.1, rubbish", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1:4711", "1.1.1.1"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:10.0.0.1", "::ffff:1.1.1.1", "1.1.1.1"),
    ],
)
def test_the_origin_is_the_rightmost_hop_that_is_not_trusted(
    peer: str, forwarded: str, expected: str
) -> None:
    """What a client writes left of the proxies' own entries counts for nothing."""
    scope = {
        "client": (peer, 1),
        "scheme": "http",
        "headers": [(b"x-forwarded-for", forwarded.encode()), (b"x-forwarded-proto", b"https")],
    }
    found = Proxies("10.0.0.0/8").resolved(scope)
    assert found["client"][0] == expected
    assert found["scheme"] == ("http" if peer == "6.6.6.6" else "https")


def test_an_ipv6_site_is_one_address() -> None:
    """Who has a /64 has all of its addresses, and one count."""
    assert place("2001:db8:1:2::1") == place("2001:db8:1:2:ffff::9") != place("2001:db8:1:3::1")
    assert place("::ffff:1.2.3.4") == place("1.2.3.4") == "1.2.3.4"
