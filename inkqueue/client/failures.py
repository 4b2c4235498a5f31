"""How httpx's exceptions become failures that operations understand."""

from __future__ import annotations

import httpx

from inkqueue.client.wire import TransportFailure
from inkqueue.exceptions import InkqueueError, UnexpectedAnswer

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


def failure_of(error: httpx.HTTPError | httpx.InvalidURL, base_url: str) -> TransportFailure | InkqueueError:
    """Say what failed, in words for people, and whether the request may have arrived."""
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return UnexpectedAnswer(
            f"{base_url!r} is no address of a service; it should look like http://host:8000."
        )
    if isinstance(error, httpx.DecodingError | httpx.TooManyRedirects):
        return UnexpectedAnswer(f"The answer of {base_url} cannot be read: {error}.")
    return TransportFailure(
        f"{_what(error)} {base_url}{_why(error)}.",
        arrived=not isinstance(error, _NEVER_SENT),
    )


def _what(error: httpx.HTTPError | httpx.InvalidURL) -> str:
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return "Nothing answers at"
    if isinstance(error, httpx.TimeoutException):
        return "No answer came in time from"
    return "The connection broke to"


def _why(error: Exception) -> str:
    text = str(error).strip().rstrip(".")
    return f" ({text})" if text else ""
