"""All queries on sessions: a person at a page, signed in with a key that is asked for again at every look."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.db import Database

_ID = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
MOST_PER_KEY = 100


@dataclass(frozen=True, slots=True)
class KnownSession:
    """A session that is alive; `left_s` is what is left to it by the database's clock."""

    id: UUID
    key_id: UUID
    tenant: str
    scopes: list[str]
    left_s: float


def new_session_id() -> str:
    """Draw 256 bits as the cookie carries them."""
    return secrets.token_urlsafe(32)


def is_session_id(text: str) -> bool:
    """Tell whether a cookie's value can be a session at all."""
    return _ID.fullmatch(text) is not None


def digest_of(session_id: str) -> bytes:
    """Return what is stored of a session's id."""
    return hashlib.sha256(session_id.encode()).digest()


def begin_session(db: Database, key_id: UUID, session_id: str, lifetime_s: float) -> None:
    """Begin a session of a key; forget ended ones, and the oldest where a key has very many."""
    values = {"key": key_id, "hash": digest_of(session_id), "life": lifetime_s, "most": MOST_PER_KEY}

    def work(connection: sa.Connection) -> None:
        connection.execute(_FORGET)
        connection.execute(_FORGET_OLDEST, values)
        connection.execute(_BEGIN, values)

    db.run(work)


def find_session(db: Database, session_id: str, idle_s: float) -> KnownSession | None:
    """Return a session unless it ended, was idle for too long, or its key was revoked or has expired."""
    with db.statement() as connection:
        values = {"hash": digest_of(session_id), "idle": idle_s}
        row = connection.execute(_FIND, values).one_or_none()
    return None if row is None else KnownSession(**row._mapping)


def end_session(db: Database, session_id: str) -> None:
    """End a session; again is the same."""
    with db.statement() as connection:
        connection.execute(_END, {"hash": digest_of(session_id)})


def note_seen(db: Database, ids: Collection[UUID]) -> None:
    """Write down that these sessions were seen just now."""
    with db.statement() as connection:
        connection.execute(_SEEN, {"ids": list(ids)})


_FORGET = sa.text("DELETE FROM sessions WHERE expires_at <= clock_timestamp()")
_FORGET_OLDEST = sa.text(
    """DELETE FROM sessions WHERE id IN
    (SELECT id FROM sessions WHERE key_id = :key ORDER BY last_seen_at DESC OFFSET :most - 1)"""
)
_BEGIN = sa.text(
    """INSERT INTO sessions (tenant, key_id, hash, expires_at)
    SELECT k.tenant, k.id, :hash, least(k.expires_at, clock_timestamp() + :life * interval '1 second')
    FROM api_keys k WHERE k.id = :key AND k.revoked_at IS NULL"""
)
_FIND = sa.text(
    """SELECT s.id, s.key_id, k.tenant, k.scopes, CAST(extract(epoch FROM
        least(s.expires_at, k.expires_at, s.last_seen_at + :idle * interval '1 second') - clock_timestamp()
        ) AS double precision) AS left_s
    FROM sessions s JOIN api_keys k ON k.id = s.key_id
    WHERE s.hash = :hash AND s.expires_at > clock_timestamp()
    AND s.last_seen_at + :idle * interval '1 second' > clock_timestamp()
    AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())"""
)
_END = sa.text("DELETE FROM sessions WHERE hash = :hash")
_SEEN = sa.text(
    """UPDATE sessions SET last_seen_at = clock_timestamp() WHERE id = ANY(:ids)
    AND last_seen_at < clock_timestamp() - interval '30 seconds'"""
)
