"""The one parser of webhook URLs: RFC 3986 without what is never needed, and strict about the rest.

What it returns is normal: lower-case ASCII, no default port, no dot segments. That URL is stored and requested later,
and the sender's own parser must agree with this one, so no two readings of one text can be played against each other.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import httpx

from shared.errors import WebhookUrlRefused
from shared.outbound.hosts import address_of, is_inner_name, normal_host
from shared.outbound.policy import MOST_PORT, OutboundPolicy

_URL = re.compile(
    r"(?P<scheme>[A-Za-z]{1,10})://(?P<host>\[[^\]/?]*\]|[^:/?\[\]]*)(?P<port>:[^/?]*)?(?P<rest>[/?].*)?"
)
_PORT = re.compile(r":[1-9][0-9]{0,4}")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class WebUrl:
    """A URL in normal form, and its parts."""

    url: str
    scheme: str
    host: str
    """A name in lower-case ASCII, an IPv4 address, or an IPv6 address in brackets."""
    port: int
    target: str
    """Path and query, as sent in the request line."""

    @property
    def authority(self) -> str:
        """Return host and port as in the `Host` header: what connections and limits are counted by."""
        default = self.port == _DEFAULT_PORTS[self.scheme]
        return self.host if default else f"{self.host}:{self.port}"


def parse(text: str, policy: OutboundPolicy) -> WebUrl:
    """Read a URL and refuse what the policy refuses by its text alone, addresses included.

    Raises:
        WebhookUrlRefused: it is none, or may not be called; the detail tells a person why.
    """
    try:
        found = _read(text, policy)
        _judge(found, policy)
    except ValueError as error:
        raise WebhookUrlRefused(f"The webhook URL {error}.") from error
    return found


def _read(text: str, policy: OutboundPolicy) -> WebUrl:
    """Take a URL apart."""
    if len(text) > policy.most_url:
        raise ValueError(f"is longer than {policy.most_url} characters")
    _refuse_characters(text)
    match = _URL.fullmatch(text)
    if match is None or not match["host"]:
        raise ValueError("is no absolute URL such as https://example.org/hook")
    scheme = match["scheme"].lower()
    if scheme not in _DEFAULT_PORTS:
        raise ValueError("is to begin with https://")
    port = _port(match["port"], _DEFAULT_PORTS[scheme])
    return _normal(scheme, normal_host(match["host"]), port, match["rest"] or "/", policy)


def _refuse_characters(text: str) -> None:
    """Refuse what parsers read differently: spaces, invisible characters, backslash, user name, fragment."""
    if any(unicodedata.category(c)[0] in "CZ" for c in text) or "\\" in text:
        raise ValueError("holds a space, a backslash or an invisible character")
    if "#" in text:
        raise ValueError("has a fragment (#…)")
    if "@" in re.split("[/?]", text.partition("://")[2], maxsplit=1)[0]:
        raise ValueError(
            "holds a user name or password; give the receiver its secret in the path or check signatures"
        )
    if _BROKEN_ESCAPE.search(text):
        raise ValueError("holds a percent sign that begins no escape")


def _port(text: str | None, default: int) -> int:
    """Read a port: plain decimal digits without leading zeros."""
    if text is None:
        return default
    if not _PORT.fullmatch(text) or int(text[1:]) > MOST_PORT:
        raise ValueError("has no valid port")
    return int(text[1:])


def _normal(scheme: str, host: str, port: int, rest: str, policy: OutboundPolicy) -> WebUrl:
    """Put a URL together again, with path and query as the sender quotes them, and hold its parser against ours."""
    sent = httpx.URL(f"{scheme}://{host}:{port}{rest if rest.startswith('/') else '/' + rest}")
    seen = (sent.scheme, sent.raw_host.decode("ascii"), sent.port or _DEFAULT_PORTS[scheme], sent.userinfo)
    if seen != (scheme, host.strip("[]"), port, b"") or len(sent.raw_path) > 3 * policy.most_url:
        raise ValueError("cannot be read without doubt")
    target = sent.raw_path.decode("ascii")
    shown_port = "" if sent.port is None else f":{sent.port}"
    return WebUrl(f"{scheme}://{host}{shown_port}{target}", scheme, host, port, target)


def _judge(found: WebUrl, policy: OutboundPolicy) -> None:
    """Refuse what needs no resolution to be refused."""
    if policy.lists(found.host, found.port):
        return
    if found.scheme != "https":
        raise ValueError("is to begin with https://")
    if found.port not in policy.ports:
        ports = ", ".join(str(port) for port in sorted(policy.ports))
        raise ValueError(f"has a port that may not be called; allowed: {ports}")
    address = address_of(found.host)
    if address is not None and not policy.takes(address, found.host, found.port):
        raise ValueError("leads to an address that is not public")
    if address is None and is_inner_name(found.host):
        raise ValueError("has a host name that is not public")
