"""All queries on API keys. Rows are never removed: a revoked key still says that this service is not open."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from shared.db import Database
from shared.errors import InvalidRequest, NotFound
from shared.keys.rules import checked_name, checked_scopes, checked_tenant
from shared.keys.text import KeyText, new_key

MOST_LISTED = 1000
"""Keys of one tenant that a page shows, and that may be valid at once: so a whole first page has all that are valid."""


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as its tenant sees it; nothing of the secret is in it."""

    id: UUID
    tenant: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    expired: bool

    @property
    def state(self) -> str:
        """Return `active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expired else "active"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What is needed to judge a request; `left_s` is the life that is left by the database's clock, None for ever."""

    id: UUID
    tenant: str
    digest: bytes = field(repr=False)
    scopes: list[str]
    left_s: float | None


def create_key(
    db: Database, tenant: str, scopes: Sequence[str], name: str, lifetime_s: float | None = None
) -> tuple[KeyView, KeyText]:
    """Make a key, and its tenant if that is new; the text is returned once and never again.

    Raises:
        InvalidRequest: tenant, scopes, name or lifetime is none that may be, or the tenant has very many valid keys.
    """
    values = {
        "tenant": checked_tenant(tenant),
        "scopes": checked_scopes(scopes),
        "name": checked_name(name),
        "life": lifetime_s,
    }
    key = new_key()

    def work(connection: sa.Connection) -> KeyView:
        connection.execute(_TENANT, values)
        connection.execute(_LOCK, values)
        if connection.execute(_VALID, values).scalar_one() >= MOST_LISTED:
            raise InvalidRequest(f"There are {MOST_LISTED} valid keys already. Revoke some that nobody uses.")
        row = connection.execute(_INSERT, values | {"prefix": key.prefix, "hash": key.digest}).one()
        return KeyView(**row._mapping)

    return db.run(work), key


def list_keys(
    db: Database,
    tenant: str | None = None,
    *,
    limit: int | None = None,
    after: tuple[bool, UUID] | None = None,
) -> list[KeyView]:
    """Return the keys of a tenant, of all tenants for None: valid ones first, then newest first.

    Args:
        limit: the most keys of one tenant; without one, a thousand, no valid one is left out.
        after: whether the page before ended among valid keys, and with which key.
    """
    among_valid, last = after or (True, None)
    values = {"tenant": tenant, "limit": limit or MOST_LISTED, "among_valid": among_valid, "last": last}
    with db.statement() as connection:
        return [KeyView(**row._mapping) for row in connection.execute(_LIST, values)]


def revoke_key(db: Database, tenant: str | None, key_id: UUID) -> KeyView:
    """Revoke a key and end its sessions; again is the same.

    Raises:
        NotFound: there is none of this id, or it is another tenant's (None: any tenant's).
    """

    def work(connection: sa.Connection) -> KeyView:
        row = connection.execute(_REVOKE, {"id": key_id, "tenant": tenant}).one_or_none()
        if row is None:
            raise NotFound("There is no key with this id.")
        connection.execute(_END_SESSIONS, {"id": key_id})
        return KeyView(**row._mapping)

    return db.run(work)


def key_of_prefix(db: Database, prefix: str) -> UUID | None:
    """Return the id of the key with this public part, `ik_…`."""
    with db.statement() as connection:
        return connection.execute(_ID, {"prefix": prefix}).scalar_one_or_none()


def key_name(db: Database, tenant: str, key_id: UUID) -> str | None:
    """Return what a key of a tenant is called."""
    with db.statement() as connection:
        return connection.execute(_NAME, {"id": key_id, "tenant": tenant}).scalar_one_or_none()


def find_key(db: Database, prefix: str) -> KnownKey | None:
    """Return the key with this public part if it is neither revoked nor expired."""
    with db.statement() as connection:
        row = connection.execute(_FIND, {"prefix": prefix}).one_or_none()
    return None if row is None else KnownKey(**row._mapping)


def any_key(db: Database) -> bool:
    """Tell whether a key was ever made here, revoked and expired ones included."""
    with db.statement() as connection:
        return bool(connection.execute(_ANY).scalar_one())


def note_use(db: Database, ids: Collection[UUID]) -> None:
    """Write down that these keys were used just now; at most once a minute each, whoever asks."""
    with db.statement() as connection:
        connection.execute(_USED, {"ids": list(ids)})


_VIEW = (
    "id, tenant, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at,"
    " coalesce(expires_at <= clock_timestamp(), false) AS expired"
)
_TENANT = sa.text("INSERT INTO tenants (id) VALUES (:tenant) ON CONFLICT DO NOTHING")
_LOCK = sa.text("SELECT id FROM tenants WHERE id = :tenant FOR NO KEY UPDATE")
_IS_VALID = "(revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp()))"
_VALID = sa.text(f"SELECT count(*) FROM api_keys WHERE tenant = :tenant AND {_IS_VALID}")
_INSERT = sa.text(
    f"""INSERT INTO api_keys (tenant, name, prefix, hash, scopes, expires_at)
    VALUES (:tenant, :name, :prefix, :hash, :scopes,
        clock_timestamp() + CAST(:life AS double precision) * interval '1 second')
    RETURNING {_VIEW}"""
)
_LIST = sa.text(
    f"""SELECT {_VIEW} FROM (
        SELECT *, {_IS_VALID} AS valid, row_number() OVER (PARTITION BY tenant ORDER BY {_IS_VALID} DESC, id DESC) AS n
        FROM api_keys WHERE (CAST(:tenant AS text) IS NULL OR tenant = :tenant) AND (CAST(:last AS uuid) IS NULL
            OR (id < :last AND {_IS_VALID} = :among_valid) OR (:among_valid AND NOT {_IS_VALID}))) k
    WHERE n <= :limit ORDER BY valid DESC, id DESC"""
)
_REVOKE = sa.text(
    f"""UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp())
    WHERE id = :id AND (CAST(:tenant AS text) IS NULL OR tenant = :tenant) RETURNING {_VIEW}"""
)
_END_SESSIONS = sa.text("DELETE FROM sessions WHERE key_id = :id")
_ID = sa.text("SELECT id FROM api_keys WHERE prefix = :prefix")
_NAME = sa.text("SELECT name FROM api_keys WHERE id = :id AND tenant = :tenant")
_FIND = sa.text(
    """SELECT id, tenant, hash AS digest, scopes,
        CAST(extract(epoch FROM expires_at - clock_timestamp()) AS double precision) AS left_s
    FROM api_keys WHERE prefix = :prefix AND revoked_at IS NULL
    AND (expires_at IS NULL OR expires_at > clock_timestamp())"""
)
_ANY = sa.text("SELECT EXISTS (SELECT FROM api_keys)")
_USED = sa.text(
    """UPDATE api_keys SET last_used_at = clock_timestamp() WHERE id = ANY(:ids)
    AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')"""
)
