"""Keys for tests: a service that is closed, and callers of several tenants."""

from __future__ import annotations

from shared.db import Database
from shared.keys.store import create_key
from shared.keys.text import KeyText


def key_for(
    database: Database, tenant: str = "default", *scopes: str, lifetime_s: float | None = None
) -> KeyText:
    """Make a key; without scopes it is an admin's."""
    return create_key(database, tenant, scopes or ("admin",), f"key of {tenant}", lifetime_s)[1]


def bearer(key: KeyText) -> dict[str, str]:
    """Return the header that shows a key."""
    return {"Authorization": f"Bearer {key.text}"}
