"""The log of deliveries: read it, send one again, ping an address, forget what is old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.db import Database
from shared.errors import NotFound, NothingToRetry
from shared.webhooks.bodies import TEST_EVENT, test_body


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery as its tenant sees it; `sending` while an attempt is on its way."""

    id: UUID
    job_id: UUID | None
    event: str
    url: str
    state: str
    reason: str | None
    attempts: list[dict[str, Any]]
    attempt_count: int
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    sending: bool


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """What a listing is narrowed to; `before` is the id of the last delivery of the page before."""

    job_id: UUID | None = None
    state: str | None = None
    before: UUID | None = None


def list_deliveries(db: Database, tenant: str, wanted: DeliveryFilter, limit: int) -> list[DeliveryView]:
    """Return up to `limit` deliveries of a tenant, newest first; later ones never shift a later page."""
    parts = ["d.tenant = :tenant"]
    values: dict[str, Any] = {"tenant": tenant, "limit": limit}
    if wanted.job_id is not None:
        parts.append("d.job_id = :job_id")
        values["job_id"] = wanted.job_id
    if wanted.state is not None:
        parts.append("d.state = :state")
        values["state"] = wanted.state
    if wanted.before is not None:
        parts.append("d.id < :before")
        values["before"] = wanted.before
    statement = sa.text(f"{_COLUMNS} WHERE {' AND '.join(parts)} ORDER BY d.id DESC LIMIT :limit")
    with db.statement() as connection:
        return [DeliveryView(*row) for row in connection.execute(statement, values)]


def get_delivery(db: Database, tenant: str, delivery_id: UUID) -> DeliveryView:
    """Return a delivery of this tenant.

    Raises:
        NotFound: there is none, it was forgotten, or it belongs to another tenant.
    """
    with db.statement() as connection:
        row = connection.execute(_ONE, {"id": delivery_id, "tenant": tenant}).one_or_none()
    if row is None:
        raise NotFound("There is no delivery with this id.")
    return DeliveryView(*row)


def redeliver(db: Database, tenant: str, delivery_id: UUID) -> DeliveryView:
    """Put a delivery at the head of the line, with all tries of the schedule before it; one on its way goes on.

    Raises:
        NotFound: there is none.
        NothingToRetry: it was canceled, because newer news took its place or its job was deleted.
    """

    def work(connection: sa.Connection) -> sa.Row[Any] | None:
        connection.execute(_AGAIN, {"id": delivery_id, "tenant": tenant})
        return connection.execute(_ONE, {"id": delivery_id, "tenant": tenant}).one_or_none()

    row = db.run(work)
    if row is None:
        raise NotFound("There is no delivery with this id.")
    if row.state == "canceled":
        raise NothingToRetry("This delivery was canceled: newer news took its place, or its job was deleted.")
    return DeliveryView(*tuple(row))


def insert_test(db: Database, tenant: str, url: str, request_id: str | None, traceparent: str | None) -> UUID:
    """Put a test ping into the line; it is tried once."""

    def work(connection: sa.Connection) -> UUID:
        at = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
        values = {
            "tenant": tenant,
            "event": TEST_EVENT,
            "url": url,
            "body": test_body(at, url).decode(),
            "request_id": request_id,
            "traceparent": traceparent,
        }
        made: UUID = connection.execute(_TEST, values).scalar_one()
        return made

    return db.run(work)


def forget_deliveries(db: Database, *, older_s: float, batch: int = 1000) -> int:
    """Delete one batch of deliveries older than this; return how many went."""

    def work(connection: sa.Connection) -> int:
        return connection.execute(_FORGET, {"older": older_s, "batch": batch}).rowcount

    return db.run(work)


_COLUMNS = """SELECT d.id, d.job_id, d.event, d.url, d.state, d.reason, d.attempts, d.attempt_count,
        CASE WHEN d.state = 'pending' AND d.token IS NULL THEN d.next_attempt_at END AS next_attempt_at,
        d.created_at, d.finished_at, d.token IS NOT NULL AS sending
    FROM webhook_deliveries d"""
_ONE = sa.text(f"{_COLUMNS} WHERE d.id = :id AND d.tenant = :tenant")
_AGAIN = sa.text(
    """UPDATE webhook_deliveries SET state = 'pending', reason = NULL, finished_at = NULL, step = 0,
        next_attempt_at = CASE WHEN token IS NULL THEN clock_timestamp() ELSE next_attempt_at END
    WHERE id = :id AND tenant = :tenant AND state <> 'canceled'"""
)
_TEST = sa.text(
    """INSERT INTO webhook_deliveries (tenant, kind, event, url, body, request_id, traceparent)
    VALUES (:tenant, 'test', :event, :url, :body, :request_id, :traceparent) RETURNING id"""
)
_FORGET = sa.text(
    """DELETE FROM webhook_deliveries WHERE id IN (
        SELECT id FROM webhook_deliveries
        WHERE id < inkqueue_uuid_at(now() - :older * interval '1 second') AND (token IS NULL OR next_attempt_at < now())
        ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED)"""
)
