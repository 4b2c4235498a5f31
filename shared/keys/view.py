"""A key as documents show it, on the command line and over HTTP alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.ids import key_id_text
from shared.keys.store import KeyView


def key_document(key: KeyView) -> dict[str, Any]:
    """Return a key without its secret."""
    return {
        "id": key_id_text(key.id),
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


def _time(at: datetime | None) -> str | None:
    """Write a time in UTC with `Z` (RFC 3339)."""
    return (
        None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
