"""The headers that every answer has, and what pages of other origins may do."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Scope

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
"""What a document may do that is no page of ours: JSON, text, and whatever somebody uploaded."""
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_UNUSED = "microphone=(), geolocation=(), payment=(), usb=(), serial=(), display-capture=()"
_PAGE_FEATURES = f"camera=(self), {_UNUSED}"
_NO_FEATURES = f"camera=(), {_UNUSED}"

EXPOSED = (
    "Location, Retry-After, X-Request-Id, RateLimit, RateLimit-Policy, ETag, Idempotency-Replayed, Preference-Applied,"
    " Content-Disposition, X-Sheet-Complete"
)
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_SENT = (
    "Authorization, X-API-Key, Content-Type, Content-Disposition, Idempotency-Key, Prefer, If-None-Match,"
    " Last-Event-ID, X-Request-Id, traceparent"
)
_REMEMBERED_S = "600"


def secure(headers: MutableHeaders, scope: Scope, hsts_s: int) -> None:
    """Add what is missing; an endpoint's own policy stays."""
    for name, value in ALWAYS.items():
        headers.setdefault(name, value)
    is_page = headers.get("content-type", "").startswith("text/html")
    headers.setdefault("Permissions-Policy", _PAGE_FEATURES if is_page else _NO_FEATURES)
    headers.setdefault("Content-Security-Policy", NOTHING)
    headers.setdefault("Cache-Control", "no-store")
    if hsts_s and scope["scheme"] == "https":
        headers["Strict-Transport-Security"] = f"max-age={hsts_s}; includeSubDomains"


class Cors:
    """Which origins' scripts may read the API's answers (Fetch standard, 3.2): those listed, never with cookies.

    Args:
        origins: exact origins, separated by commas; empty: none.

    Raises:
        ValueError: one is no plain origin, such as `*`.
    """

    def __init__(self, origins: str) -> None:
        self.origins = frozenset(part.strip() for part in origins.split(",") if part.strip())
        for origin in self.origins:
            scheme, _, host = origin.partition("://")
            if scheme not in ("http", "https") or not host or set(host) & set("/*?#@ "):
                raise ValueError(
                    f"INKQUEUE_CORS_ORIGINS: {origin!r} is no origin such as https://example.com"
                )

    def allows(self, origin: str | None) -> bool:
        """Tell whether this origin is on the list, letter by letter."""
        return origin in self.origins

    def is_preflight(self, scope: Scope, headers: Headers) -> bool:
        """Tell a question whether a call may be made, which comes without a key."""
        return (
            scope["method"] == "OPTIONS"
            and _is_api(scope)
            and "access-control-request-method" in headers
            and self.allows(headers.get("origin"))
        )

    def put_headers(self, headers: MutableHeaders, scope: Scope, origin: str | None, preflight: bool) -> None:
        """Tell the browser what the asking origin may see."""
        if not self.origins or not _is_api(scope):
            return
        headers.add_vary_header("Origin")
        if not self.allows(origin):
            return
        headers["Access-Control-Allow-Origin"] = origin or ""
        if preflight:
            headers["Access-Control-Allow-Methods"] = _METHODS
            headers["Access-Control-Allow-Headers"] = _SENT
            headers["Access-Control-Max-Age"] = _REMEMBERED_S
        else:
            headers["Access-Control-Expose-Headers"] = EXPOSED
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"


def _is_api(scope: Scope) -> bool:
    return str(scope["path"]).startswith("/v1/")
