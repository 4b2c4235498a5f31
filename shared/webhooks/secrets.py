"""The signing secrets of tenants: made at first need, rotated with a time in which both sign."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from shared.db import Database
from shared.jobs.binding import array_of
from shared.webhooks.signing import new_secret


@dataclass(frozen=True, slots=True)
class Secret:
    """The secret that signs, and until when the one before it signs too."""

    secret: str
    created_at: datetime
    previous_expires_at: datetime | None


def current_secret(db: Database, tenant: str) -> Secret:
    """Return a tenant's secret, made now if there is none; of two at once both get the same."""

    def work(connection: sa.Connection) -> Secret:
        connection.execute(_MAKE, {"tenant": tenant, "secret": new_secret()})
        return Secret(*connection.execute(_CURRENT, {"tenant": tenant}).one())

    return db.run(work)


def rotate_secret(db: Database, tenant: str, overlap_s: float) -> Secret:
    """Put a fresh secret in the place of the current one, which goes on signing for `overlap_s` seconds.

    The tenant's row is locked, so two at once rotate twice, one after the other. At most one old secret signs beside
    the new one: an older one that was still signing ends now.
    """

    def work(connection: sa.Connection) -> Secret:
        values = {"tenant": tenant, "overlap": overlap_s, "secret": new_secret()}
        for statement in (_LOCK, _END_OLD, _RETIRE, _MAKE):
            connection.execute(statement, values)
        return Secret(*connection.execute(_CURRENT, {"tenant": tenant}).one())

    return db.run(work)


def signing_secrets(db: Database, tenants: Iterable[str]) -> dict[str, list[str]]:
    """Return every secret that signs now, the current one first, of each of these tenants; missing ones are made."""
    wanted = sorted(set(tenants))
    found = _valid(db, wanted)
    missing = [tenant for tenant in wanted if not found.get(tenant)]
    for tenant in missing:
        current_secret(db, tenant)
    return found | _valid(db, missing) if missing else found


def forget_secrets(db: Database) -> int:
    """Delete secrets whose time is over."""
    with db.transaction() as connection:
        return connection.execute(_FORGET).rowcount


def _valid(db: Database, tenants: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with db.statement() as connection:
        for row in connection.execute(_VALID, {"tenants": tenants}):
            found.setdefault(row.tenant, []).append(row.secret)
    return found


_MAKE = sa.text(
    """INSERT INTO webhook_secrets (tenant, secret) VALUES (:tenant, :secret)
    ON CONFLICT (tenant) WHERE expires_at IS NULL DO NOTHING"""
)
_CURRENT = sa.text(
    """SELECT secret, created_at, (SELECT max(o.expires_at) FROM webhook_secrets o
        WHERE o.tenant = :tenant AND o.expires_at > clock_timestamp()) AS previous_expires_at
    FROM webhook_secrets WHERE tenant = :tenant AND expires_at IS NULL"""
)
_LOCK = sa.text("SELECT id FROM tenants WHERE id = :tenant FOR NO KEY UPDATE")
_END_OLD = sa.text("DELETE FROM webhook_secrets WHERE tenant = :tenant AND expires_at IS NOT NULL")
_RETIRE = sa.text(
    """UPDATE webhook_secrets SET expires_at = clock_timestamp() + :overlap * interval '1 second'
    WHERE tenant = :tenant AND expires_at IS NULL"""
)
_VALID = sa.text(
    """SELECT tenant, secret FROM webhook_secrets
    WHERE tenant = ANY (:tenants) AND (expires_at IS NULL OR expires_at > clock_timestamp())
    ORDER BY tenant, expires_at DESC NULLS FIRST"""
).bindparams(array_of("tenants", sa.Text()))
_FORGET = sa.text("DELETE FROM webhook_secrets WHERE expires_at < clock_timestamp()")
