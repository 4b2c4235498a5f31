"""Remove a job: hidden at once, purged by the steward."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from shared.db import Database
from shared.errors import JobActive, NotFound


def delete_job(db: Database, tenant: str, job_id: UUID) -> None:
    """Hide an ended job from everybody, for good; its idempotency key is free again.

    Webhooks that have not arrived are canceled.

    Of two at once one gets `NotFound`.

    Raises:
        NotFound: there is no such job, or no more.
        JobActive: it has not ended.
    """

    def work(connection: sa.Connection) -> None:
        row = connection.execute(_LOCK, {"id": job_id, "tenant": tenant}).one_or_none()
        if row is None:
            raise NotFound("There is no job with this id.")
        if row.finished_at is None:
            raise JobActive()
        connection.execute(_HIDE, {"id": job_id})
        connection.execute(_SILENCE, {"id": job_id, "tenant": tenant})

    db.run(work)
    with db.transaction() as connection:  # of its own: a submission locks keys before jobs
        connection.execute(_FREE_KEY, {"id": job_id})


_LOCK = sa.text(
    "SELECT finished_at FROM jobs WHERE id = :id AND tenant = :tenant AND deleted_at IS NULL FOR UPDATE"
)
_HIDE = sa.text("UPDATE jobs SET deleted_at = clock_timestamp() WHERE id = :id")
_SILENCE = sa.text(
    """UPDATE webhook_deliveries SET state = 'canceled', reason = 'job_deleted', finished_at = clock_timestamp()
    WHERE job_id = :id AND tenant = :tenant AND state = 'pending'"""
)
_FREE_KEY = sa.text("DELETE FROM idempotency_keys WHERE job_id = :id")
