"""The headers of answers for the OpenAPI page."""

from __future__ import annotations

from typing import Any


def _header(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "schema": schema}


_TEXT = {"type": "string"}

COMMON: dict[str, dict[str, Any]] = {
    "X-Request-Id": _header(
        "Under it the logs of API and workers tell more; a client's own is kept.",
        {"type": "string", "pattern": r"^[A-Za-z0-9._:\-]{1,128}$"},
    ),
    "Retry-After": _header("Seconds to wait.", {"type": "integer", "minimum": 0}),
    "RateLimit": _header("What is left (draft-ietf-httpapi-ratelimit-headers-10).", _TEXT),
    "RateLimit-Policy": _header("The quotas (draft-ietf-httpapi-ratelimit-headers-10).", _TEXT),
    "WWW-Authenticate": _header("How to authenticate (RFC 9110, 11.6.1).", _TEXT),
    "ETag": _header("Weak; the version of the job.", {"type": "string", "pattern": '^W/".+"$'}),
    "Location": _header("Address of the job.", {"type": "string", "format": "uri-reference"}),
    "Idempotency-Replayed": _header(
        "`true` when the key was used before.", {"type": "string", "const": "true"}
    ),
    "Preference-Applied": _header("`wait=N`, as asked.", {"type": "string", "pattern": r"^wait=\d+$"}),
    "Content-Disposition": _header("Name of the file.", _TEXT),
}

OF_STATUS: dict[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    408: ("Retry-After",),
    429: ("Retry-After",),
    503: ("Retry-After",),
    504: ("Retry-After",),
    507: ("Retry-After",),
}
"""Headers that every answer of a status has."""


_MADE = ("Location", "Retry-After", "ETag", "Idempotency-Replayed", "Preference-Applied")
OF_OPERATION: dict[tuple[str, str, int], tuple[str, ...]] = {
    ("post", "/v1/jobs", 202): _MADE,
    ("post", "/v1/jobs", 200): ("Location", "ETag", "Idempotency-Replayed", "Preference-Applied"),
    ("post", "/v1/jobs/{job_id}/retry", 202): ("Location", "Retry-After", "ETag", "Idempotency-Replayed"),
    ("post", "/v1/jobs/{job_id}/cancel", 202): ("Retry-After", "ETag"),
    ("post", "/v1/jobs/{job_id}/cancel", 200): ("ETag",),
    ("get", "/v1/jobs/{job_id}", 200): ("Retry-After", "ETag"),
    ("get", "/v1/jobs/{job_id}", 304): ("Retry-After", "ETag"),
    ("get", "/v1/jobs/{job_id}/results", 200): ("Content-Disposition",),
    ("get", "/v1/jobs/{job_id}/items/{seq}/image", 200): ("Content-Disposition",),
}
"""Headers of single answers; each may be left out where it says nothing."""


def ref(name: str) -> dict[str, str]:
    """Point to the description of a header."""
    return {"$ref": f"#/components/headers/{name}"}


def headers(*names: str) -> dict[str, Any]:
    """Return the `headers` of a response."""
    return {name: ref(name) for name in names}
