"""An httpx transport for addresses that strangers name."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator

import certifi
import httpcore
import httpx

from shared.outbound.dialing import CheckedDialer
from shared.outbound.lookup import Resolver, resolve_by_system
from shared.outbound.policy import OutboundPolicy
from shared.outbound.urls import WebUrl, parse

KEEP_ALIVE_S = 5.0
MOST_KEPT = 100
STEP_S = 20.0
"""Seconds of silence after which a request without limits of its own is given up."""

# The sender decides on the connection and its target; answers are never unpacked, so a few bytes stay a few bytes.
_OURS = {b"host", b"accept-encoding", b"cookie", b"proxy-authorization", b"upgrade", b"connection"}
_NOT_TAKEN = {b"set-cookie", b"content-encoding"}


def transport(
    policy: OutboundPolicy,
    *,
    resolve: Resolver = resolve_by_system,
    context: ssl.SSLContext | None = None,
) -> httpx.AsyncBaseTransport:
    """Return a transport that connects only to addresses that it has checked itself.

    HTTP/1.1 only; no proxy, no Unix socket, no cookie, nothing from the environment; a kept connection serves its own
    origin only. TLS checks the certificate against the name of the URL. It limits the time of a connection; the caller
    limits the time and the bytes of an answer, which comes as sent, never unpacked.

    Raises:
        shared.errors.WebhookUrlRefused: (of a request) the URL may not be called.
        httpx.TransportError: (of a request) the usual ones; an address that may not be called is a ConnectError.
    """
    return CheckedTransport(policy, resolve, context or tls_context(policy))


def client(policy: OutboundPolicy, *, timeout: httpx.Timeout | float = 20.0) -> httpx.AsyncClient:
    """Return a client on the transport: no redirects, nothing from the environment."""
    return httpx.AsyncClient(
        transport=transport(policy), timeout=timeout, follow_redirects=False, trust_env=False
    )


def tls_context(policy: OutboundPolicy) -> ssl.SSLContext:
    """Return the TLS settings: usual authorities and those of the operator, names checked, TLS 1.2 at least."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=certifi.where())
    if policy.ca_file:
        context.load_verify_locations(cafile=policy.ca_file)
    return context


class CheckedTransport(httpx.AsyncBaseTransport):
    """The transport; it reads every URL again with the strict parser."""

    def __init__(self, policy: OutboundPolicy, resolve: Resolver, context: ssl.SSLContext) -> None:
        self._policy = policy
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=None,
            max_keepalive_connections=MOST_KEPT,
            keepalive_expiry=KEEP_ALIVE_S,
            http1=True,
            http2=False,
            network_backend=CheckedDialer(policy, resolve),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return its answer, whose body is read by the caller."""
        if not isinstance(request.stream, httpx.AsyncByteStream):
            raise TypeError("the body of a request is to be asynchronous")
        found = parse(str(request.url), self._policy)
        asked = httpcore.Request(
            request.method,
            _url(found),
            headers=_headers(request, found),
            content=request.stream,
            extensions={"timeout": self._limits(request)},
        )
        with _as_httpx():
            answer = await self._pool.handle_async_request(asked)
        kept = [(name, value) for name, value in answer.headers if name.lower() not in _NOT_TAKEN]
        return httpx.Response(
            answer.status, headers=kept, stream=_Body(answer), extensions=dict(answer.extensions)
        )

    def _limits(self, request: httpx.Request) -> dict[str, float]:
        """Return the caller's time limits; a missing one becomes ours, and connecting has ours in any case."""
        asked = request.extensions.get("timeout", {})
        limits = {kind: asked.get(kind) or STEP_S for kind in ("connect", "read", "write", "pool")}
        return {**limits, "connect": min(limits["connect"], self._policy.connect_s)}

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of an answer, as it was sent."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        """Give the connection back, or close it when something is left unread."""
        await self._answer.aclose()


def _url(found: WebUrl) -> httpcore.URL:
    """Return a URL in httpcore's parts, none of them parsed again."""
    return httpcore.URL(
        scheme=found.scheme.encode(),
        host=found.host.strip("[]").encode(),
        port=found.port,
        target=found.target.encode(),
    )


def _headers(request: httpx.Request, found: WebUrl) -> list[tuple[bytes, bytes]]:
    """Return the caller's headers, with `Host` from the URL and no unpacking asked for."""
    given = [(name, value) for name, value in request.headers.raw if name.lower() not in _OURS]
    return [(b"Host", found.authority.encode()), (b"Accept-Encoding", b"identity"), *given]


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    """Raise httpcore's errors as those of httpx with the same name."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        names = [kind.__name__ for kind in type(error).__mro__]
        found = next(getattr(httpx, name) for name in names if hasattr(httpx, name))
        raise found(str(error)) from error
