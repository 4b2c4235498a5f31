"""A key as documents show it, on the command line and over HTTP alike."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.errors import NotFound
from shared.keys.store import KeyView

_ID = re.compile(r"key_([0-9a-f]{32})", re.ASCII)


def key_document(key: KeyView) -> dict[str, Any]:
    """Return a key without its secret."""
    return {
        "id": f"key_{key.id.hex}",
        "prefix": key.prefix,
        "name": key.name,
        "tenant": key.tenant,
        "scopes": key.scopes,
        "state": key.state,
        "created_at": _time(key.created_at),
        "expires_at": _time(key.expires_at),
        "last_used_at": _time(key.last_used_at),
        "revoked_at": _time(key.revoked_at),
    }


def parse_key_id(text: str) -> UUID:
    """Read a key's id, `key_…`.

    Raises:
        NotFound: it is none, so nothing is there.
    """
    match = _ID.fullmatch(text)
    if match is None:
        raise NotFound("There is no key with this id.")
    return UUID(match[1])


def _time(at: datetime | None) -> str | None:
    """Write a time in UTC with `Z` (RFC 3339)."""
    return (
        None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
