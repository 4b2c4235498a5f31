"""`INKQUEUE_BOOTSTRAP_KEY`: the first key of a service that nobody can reach without one."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from shared.db import Database
from shared.errors import InkqueueError
from shared.keys.text import KeyMalformed, KeyText, is_weak, parse_key

TENANT = "default"
NAME = "bootstrap"
_LOCK = 0x696E6B71  # one process at a time; the number is ours alone


class BootstrapRefused(InkqueueError):
    """The first key cannot be this one."""

    default = "INKQUEUE_BOOTSTRAP_KEY is no key of this service. Make one with: inkqueue keys generate"


class Bootstrapped(StrEnum):
    """What became of the first key."""

    MADE = "made"
    THERE = "there"
    REVOKED = "revoked"
    LATE = "late"


def checked_bootstrap(text: str) -> KeyText:
    """Read the first key, without the database.

    Raises:
        BootstrapRefused: it has another form, its checksum is wrong, or its secret was not drawn by chance.
    """
    try:
        key = parse_key(text)
    except KeyMalformed:
        raise BootstrapRefused() from None
    if is_weak(key):
        raise BootstrapRefused(
            "The secret of INKQUEUE_BOOTSTRAP_KEY could be guessed. Make one with: inkqueue keys generate"
        )
    return key


def bootstrap(db: Database, text: str) -> Bootstrapped:
    """Make the first key, with scope `admin` in the tenant `default`, while there is none at all.

    Any number of processes may do so at once. A key that was revoked stays so, and where other keys are none is made.

    Raises:
        BootstrapRefused: it is no sound key, or another has its public part.
        Unavailable: the database cannot be reached.
    """
    key = checked_bootstrap(text)

    def work(connection: sa.Connection) -> Bootstrapped:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        found = connection.execute(_FIND, {"prefix": key.prefix}).one_or_none()
        if found is None:
            values = {"tenant": TENANT, "name": NAME, "prefix": key.prefix, "hash": key.digest}
            return Bootstrapped.MADE if connection.execute(_MAKE, values).rowcount else Bootstrapped.LATE
        if found.hash != key.digest:
            raise BootstrapRefused("INKQUEUE_BOOTSTRAP_KEY differs from the key with the same public part.")
        return Bootstrapped.REVOKED if found.revoked_at else Bootstrapped.THERE

    return db.run(work)


_FIND = sa.text("SELECT hash, revoked_at FROM api_keys WHERE prefix = :prefix")
_MAKE = sa.text(
    """INSERT INTO api_keys (tenant, name, prefix, hash, scopes)
    SELECT :tenant, :name, :prefix, :hash, ARRAY['admin'] WHERE NOT EXISTS (SELECT FROM api_keys)"""
)
