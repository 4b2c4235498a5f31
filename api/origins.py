"""Which names the service may be asked under, and which pages may ask for changes.

An open service has no other guard against web pages: one that makes its own name point to 127.0.0.1 (DNS rebinding)
is stopped by `Host`, one that posts a form to localhost by `Origin` and `Sec-Fetch-Site`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.types import Scope

from shared.errors import Forbidden
from shared.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)(?::([0-9]{1,5}))?", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FORWARDED = re.compile(
    rb"forwarded|via|x-real-ip|x-forwarded(?:-.*)?|x-original-.*|x-envoy-.*"
    rb"|(?:x|true|cf|fastly|x-cluster)-(?:connecting|client)-ip"
)
"""What proxies add; a client that writes one of them itself only loses what a direct one may do."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A name and a port as `Host` or `Origin` gives them; no port is that of the scheme."""

    name: str
    port: int | None

    @classmethod
    def of(cls, text: str) -> Authority | None:
        """Read `name`, `name:port` or `[address]:port`; None when it is neither."""
        match = _HOST.fullmatch(text.lower())
        return None if match is None else cls(match[1].strip("[]"), int(match[2]) if match[2] else None)

    def same_as(self, other: Authority, scheme: str) -> bool:
        """Compare, with the scheme's own port where none is written."""
        default = _DEFAULT_PORTS.get(scheme)
        return self.name == other.name and (self.port or default) == (other.port or default)


class Reach(NamedTuple):
    """Where others than this machine reach the service, and what to type so that they do not."""

    where: str
    stay: str


def reach_of_others(settings: Settings) -> Reach | None:
    """Tell how others reach the service by what its settings say; None when only this machine does.

    In a container the address counts that the port is published on.
    """
    published = Authority.of(settings.published_on)
    if settings.published_on and (published is None or not is_loopback(published.name)):
        return Reach(settings.published_on, "INKQUEUE_PUBLISH=127.0.0.1:8000 in .env")
    if not settings.published_on and not is_loopback(settings.host):
        return Reach(settings.host, "export INKQUEUE_HOST=127.0.0.1")
    public = urlsplit(settings.public_url.strip()).hostname
    if public is not None and not is_loopback(public):
        return Reach(settings.public_url.strip(), "unset INKQUEUE_PUBLIC_URL")
    return None


class Origins:
    """The rules of one service, as its settings make them."""

    def __init__(self, settings: Settings) -> None:
        names = [name.strip() for name in settings.allowed_hosts.split(",") if name.strip()]
        self.any_host = "*" in names
        self._behind_wall = settings.allow_open
        self._allowed = [a for a in map(Authority.of, names) if a is not None]
        self._foreign = {o.strip().rstrip("/").lower() for o in settings.cors_origins.split(",") if o.strip()}
        public = urlsplit(settings.public_url.strip())
        self.public_scheme = public.scheme.lower()
        self.public = Authority.of(public.netloc) if public.netloc else None

    def check_host(self, scope: Scope) -> None:
        """Let only names of this machine and of the setting pass.

        Raises:
            Forbidden: another name, none, or several; or a proxy is between.
        """
        if was_forwarded(scope) and not self._behind_wall:
            raise Forbidden(
                "Without API keys this service does not answer through a proxy. Make a key with: inkqueue keys create"
            )
        if self.any_host or self.known_host(scope):
            return
        raise Forbidden(
            "Without API keys this service answers only to localhost and its own port. If it is meant to be asked "
            "under this name, set INKQUEUE_ALLOWED_HOSTS, or make a key with: inkqueue keys create"
        )

    def known_host(self, scope: Scope) -> bool:
        """Tell whether `Host` is a loopback name with the right port, or one of the setting."""
        host = host_of(scope)
        if host is None or (was_forwarded(scope) and not self._behind_wall):
            return False
        if is_loopback(host.name) and (host.port or 80) == _own_port(scope, host):
            return True
        if self.public is not None and host.same_as(self.public, self.public_scheme):
            return True
        return any(a.name == host.name and a.port in (None, host.port) for a in self._allowed)

    def check_origin(self, scope: Scope) -> None:
        """Let no page of another site change anything; what is no browser says neither header.

        Raises:
            Forbidden: the request comes from a page of another origin.
        """
        if scope["method"] in SAFE_METHODS:
            return
        site, origin = _texts(scope, b"sec-fetch-site"), _texts(scope, b"origin")
        if origin == ["null"] and site == ["same-origin"]:
            return  # a page that hides where it is from, and the browser says that it is ours
        foreign = len(origin) == 1 and origin[0] in self._foreign
        own = not origin or (len(origin) == 1 and self._is_own(scope, origin[0]))
        friendly = not site or site in (["same-origin"], ["none"])
        if foreign or (own and friendly and (origin or site or self._referer_is_own(scope))):
            return
        raise Forbidden(
            "This request comes from a page of another site. If that site may change things here, make API keys and "
            "set INKQUEUE_CORS_ORIGINS to its origin."
        )

    def _is_own(self, scope: Scope, origin: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        theirs, host = Authority.of(parts.netloc), host_of(scope)
        if theirs is None or parts.scheme not in _DEFAULT_PORTS or parts.path or parts.query:
            return False
        if self.public is not None and theirs.same_as(self.public, parts.scheme):
            return parts.scheme == self.public_scheme
        return host is not None and theirs.same_as(host, parts.scheme)

    def _referer_is_own(self, scope: Scope) -> bool:
        """Judge very old browsers, which send neither of the other headers with a form."""
        referers = _texts(scope, b"referer")
        if not referers:
            return True
        match = re.match(r"https?://[^/?#]+", referers[0])
        return len(referers) == 1 and match is not None and self._is_own(scope, match[0])


def host_of(scope: Scope) -> Authority | None:
    """Return the one `Host` of a request."""
    hosts = _texts(scope, b"host")
    return Authority.of(hosts[0]) if len(hosts) == 1 else None


def from_this_machine(scope: Scope) -> bool:
    """Tell whether somebody on this machine asks it by a loopback name, with no proxy between.

    A proxy on the same machine makes every caller look local, so whatever was forwarded is not.
    """
    client, host = scope.get("client"), host_of(scope)
    if client is None or host is None or was_forwarded(scope):
        return False
    return is_loopback(client[0]) and is_loopback(host.name)


def was_forwarded(scope: Scope) -> bool:
    """Tell whether a proxy says that it passed this request on."""
    return any(_FORWARDED.fullmatch(name) for name, _ in scope["headers"])


def is_loopback(name: str) -> bool:
    """Tell whether only this machine reaches the address or name."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _own_port(scope: Scope, host: Authority) -> int:
    """Return the port that this connection came in by."""
    server = scope.get("server")
    return int(server[1]) if server is not None and server[1] is not None else (host.port or 80)


def _texts(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip().lower() for key, value in scope["headers"] if key == name]
