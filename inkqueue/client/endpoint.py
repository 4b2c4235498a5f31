"""Where the service is and how it is spoken to: the settings that both drivers share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import httpx

from inkqueue._version import __version__
from inkqueue.client.retries import RetryPolicy
from inkqueue.client.wire import Request
from inkqueue.exceptions import UnexpectedAnswer

DEFAULT_URL = "http://127.0.0.1:8000"
CONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service's address, the caller's key and patience; `timeout_s` is for each read and write."""

    base_url: str
    api_key: str | None
    timeout_s: float
    retry: RetryPolicy

    @classmethod
    def of(
        cls, base_url: str | None, api_key: str | None, timeout: float, retry: RetryPolicy | None
    ) -> Endpoint:
        """Fill in what was not given from INKQUEUE_URL and INKQUEUE_API_KEY.

        Raises:
            UnexpectedAnswer: the address is none.
        """
        url = base_url or os.environ.get("INKQUEUE_URL") or DEFAULT_URL
        key = api_key or os.environ.get("INKQUEUE_API_KEY") or None
        return cls(
            _checked(url.strip().rstrip("/").removesuffix("/v1")), key, timeout, retry or RetryPolicy()
        )

    def headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        headers = {"User-Agent": f"inkqueue-python/{__version__}", "Accept": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return headers

    @property
    def trust_env(self) -> bool:
        """Tell whether proxies of the environment apply; they never can reach this machine's own loopback."""
        return not _is_loopback(httpx.URL(self.base_url).host if "//" in self.base_url else "")

    def request(
        self,
        http: httpx.Client | httpx.AsyncClient,
        request: Request,
        content: Iterator[bytes] | AsyncIterator[bytes] | None,
    ) -> httpx.Request:
        """Build a request for httpx; a body's length goes along, so that it is never chunked."""
        headers = dict(request.headers)
        if request.body is not None:
            headers |= request.body.headers | {"Content-Length": str(request.body.size)}
        read_s = self.timeout_s if request.read_timeout_s is None else request.read_timeout_s
        return http.build_request(
            request.method,
            self.base_url + request.path,
            params=list(request.query) or None,
            headers=headers,
            content=content,
            timeout=httpx.Timeout(self.timeout_s, connect=min(CONNECT_S, self.timeout_s), read=read_s),
        )


def _checked(url: str) -> str:
    """Return the address as it is, if it is one."""
    try:
        parsed = httpx.URL(url)
        parsed.host.encode("idna")
        sound = parsed.scheme in ("http", "https") and parsed.host and 0 < (parsed.port or 1) < 65536
    except (httpx.InvalidURL, UnicodeError):
        sound = False
    if not sound:
        raise UnexpectedAnswer(f"{url!r} is no address of a service; it should look like http://host:8000.")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
