"""What one tenant may have at once: open jobs, waiting images, stored bytes, uploads; and what all may have waiting.

Postgres is the truth. A submission near a limit counts under a lock of its tenant, so that of two at once only one
slips in. Far below a limit that would make everybody wait for everybody's commit; there each process counts what it
lets in itself and looks again after a sixty-fourth of the limit, or a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import sqlalchemy as sa

from shared.db import Database
from shared.errors import InkqueueError, QueueFull, StorageFull
from shared.settings import Settings
from shared.status import Lane

FRESH_S = 1.0
COST = 20
"""A look that takes long is made at most this many times its own time apart."""
FAR = 64
FLOOR = 64 * 16
"""Limits below this are always counted under the lock."""
BUSY_S, FULL_S = 5, 60
Admit = Callable[[sa.Connection], None]
"""What a transaction calls before it inserts; it raises when there is no room."""
_TENANT, _ALL = 0x696E6B71, 0x696E6B61


class Amount(NamedTuple):
    """How much there is, or may be (0: no limit), of each kind."""

    open_jobs: int = 0
    waiting_items: int = 0
    stored_bytes: int = 0
    backlog_items: int = 0

    def plus(self, other: Amount, sign: int = 1) -> Amount:
        """Add kind by kind."""
        return Amount(*(a + sign * b for a, b in zip(self, other, strict=True)))


NOTHING = Amount()


@dataclass(slots=True)
class _Known:
    """What one process knows of one tenant."""

    used: Amount = NOTHING
    most: Amount = NOTHING
    since: Amount = NOTHING
    flying: Amount = NOTHING
    good_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Quotas:
    """The limits of all tenants, as one process sees them.

    Args:
        settings: the limits of tenants that have none of their own in the table `quotas`.
    """

    def __init__(self, settings: Settings) -> None:
        self._default = Amount(
            settings.quota_open_jobs,
            settings.quota_waiting_items,
            settings.quota_stored_bytes,
            settings.max_backlog_items,
        )
        self._uploads = settings.quota_uploads
        self._known: dict[str, _Known] = {}

    @contextmanager
    def admission(self, tenant: str, new: Amount) -> Iterator[Admit]:
        """Lend what a submitting transaction calls before it inserts; the block ends when it has committed.

        Where each statement commits by itself no lock lasts, and those at once may pass a limit by what they bring.

        Raises:
            QueueFull: too many jobs or images wait, of this tenant or in all.
            StorageFull: the tenant's uploads would take too many bytes.
        """
        known = self._known.setdefault(tenant, _Known())
        counted = False

        def admit(connection: sa.Connection) -> None:
            nonlocal counted
            self._admit(connection, tenant, known, new)
            if not counted:
                with known.lock:
                    known.since, known.flying = known.since.plus(new), known.flying.plus(new)
                counted = True

        try:
            yield admit
        finally:
            if counted:
                with known.lock:
                    known.flying = known.flying.plus(new, -1)

    def begin_upload(self, connection: sa.Connection, tenant: str, announced: int) -> None:
        """Refuse an upload that could not become a job, or that is one too many at once.

        It holds the tenant's lock until the transaction ends, which is to insert the upload's first row.

        Raises:
            QueueFull: too many uploads arrive, or too many jobs wait.
            StorageFull: the announced bytes are over the quota.
        """
        connection.execute(_LOCK, {"space": _TENANT, "tenant": tenant})
        if self._uploads:
            row = connection.execute(_UPLOADS, {"tenant": tenant, "uploads": self._uploads}).one()
            if row.arriving >= row.most:
                raise _error(QueueFull, f"Your quota of {row.most} uploads at once is used up.", BUSY_S)
        known = self._known.setdefault(tenant, _Known())
        new = Amount(1, 1, max(1, announced), 1)
        if time.monotonic() >= known.good_until or not _is_far(known, new):
            self._look(connection, tenant, known)
        _require(known.used, known.most, new)

    def _admit(self, connection: sa.Connection, tenant: str, known: _Known, new: Amount) -> None:
        if time.monotonic() >= known.good_until or not _near_fresh(known, new):
            self._look(connection, tenant, known)
        if _is_far(known, new):
            return
        connection.execute(_LOCK, {"space": _TENANT, "tenant": tenant})
        if known.most.backlog_items and known.used.backlog_items * 2 > known.most.backlog_items:
            connection.execute(_LOCK, {"space": _ALL, "tenant": ""})
        self._look(connection, tenant, known)
        _require(known.used, known.most, new)

    def _look(self, connection: sa.Connection, tenant: str, known: _Known) -> None:
        """Read what is there; what this process lets in at this moment may be missing in it and is added."""
        began = time.monotonic()
        row = connection.execute(_USED, {"tenant": tenant}).one()
        now = time.monotonic()
        used = Amount(row.jobs, max(0, row.items), row.bytes, max(0, row.backlog))
        own = (row.open_jobs, row.waiting_items, row.stored_bytes, None)
        with known.lock:
            known.used = used
            known.most = Amount(*(d if o is None else o for o, d in zip(own, self._default, strict=True)))
            known.since = known.flying
            known.good_until = now + max(FRESH_S, COST * (now - began))


def waiting_by_tenant(db: Database, lane: Lane, cap: int) -> dict[str, int]:
    """Count the chunks of a lane that wait, a tenant; look at no more than `cap` of them."""
    with db.statement() as connection:
        rows = connection.execute(_WAITING, {"lane": str(lane), "cap": cap}).all()
    return {row.tenant: row.waiting for row in rows}


def _near_fresh(known: _Known, new: Amount) -> bool:
    """Tell whether little was let in since the last look, measured by each limit."""
    after = known.since.plus(new)
    return all(m == 0 or a * FAR <= m for a, m in zip(after, known.most, strict=True))


def _is_far(known: _Known, new: Amount) -> bool:
    """Tell whether every limit is so far that counting without the lock does no harm."""
    after = known.used.plus(known.since).plus(new)
    far = all(
        m == 0 or n == 0 or (m >= FLOOR and 2 * a <= m)
        for a, m, n in zip(after, known.most, new, strict=True)
    )
    return far and _near_fresh(known, new)


def _require(used: Amount, most: Amount, new: Amount) -> None:
    """Raise for the first limit that would be passed by what is new."""
    after = used.plus(new)
    if new.stored_bytes and most.stored_bytes and after.stored_bytes > most.stored_bytes:
        raise _error(
            StorageFull,
            f"Your quota of {most.stored_bytes} stored bytes would be passed; {used.stored_bytes} are in use."
            " Nothing was kept. Delete jobs that are not needed any more.",
            FULL_S,
        )
    if new.open_jobs and most.open_jobs and after.open_jobs > most.open_jobs:
        raise _error(QueueFull, f"Your quota of {most.open_jobs} open jobs is used up.", BUSY_S)
    if new.waiting_items and most.waiting_items and after.waiting_items > most.waiting_items:
        raise _error(
            QueueFull,
            f"Your quota of {most.waiting_items} waiting images would be passed; {used.waiting_items} wait.",
            BUSY_S,
        )
    if new.backlog_items and most.backlog_items and after.backlog_items > most.backlog_items:
        raise _error(QueueFull, "The service has as many images waiting as it takes.", BUSY_S)


def _error(kind: type[InkqueueError], detail: str, retry_after_s: int) -> InkqueueError:
    error = kind(detail)
    error.retry_after_s = retry_after_s
    return error


_OPEN = "status IN ('validating', 'queued', 'running', 'canceling')"
_LOCK = sa.text("SELECT pg_advisory_xact_lock(:space, hashtext(:tenant))")
_USED = sa.text(
    f"""SELECT q.open_jobs, q.waiting_items, q.stored_bytes, mine.jobs, mine.items, stored.bytes, everybody.backlog
    FROM (SELECT count(*) AS jobs, coalesce(sum(total - succeeded - failed - skipped - canceled - expired), 0)::bigint
            AS items FROM jobs WHERE tenant = :tenant AND {_OPEN}) mine,
        (SELECT coalesce(sum(bytes), 0)::bigint AS bytes FROM inputs WHERE tenant = :tenant AND state = 'attached')
            stored,
        (SELECT coalesce(sum(total - succeeded - failed - skipped - canceled - expired), 0)::bigint AS backlog
            FROM jobs WHERE {_OPEN}) everybody
        LEFT JOIN quotas q ON q.tenant = :tenant"""
)
_UPLOADS = sa.text(
    """SELECT coalesce((SELECT uploads FROM quotas WHERE tenant = :tenant), :uploads) AS most,
        (SELECT count(DISTINCT upload) FROM inputs WHERE tenant = :tenant AND state = 'receiving') AS arriving"""
)
_WAITING = sa.text(
    """SELECT tenant, count(*) AS waiting FROM (SELECT tenant FROM chunks WHERE state = 'pending' AND lane = :lane
        AND (not_before IS NULL OR not_before <= clock_timestamp()) LIMIT :cap) c GROUP BY tenant"""
)
