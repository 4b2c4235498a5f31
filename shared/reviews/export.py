"""Read what people have settled, across jobs: pages by key, each in a short transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.db import Database
from shared.reviews.outcome import DISAGREED, TOLD

_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Settled:
    """An item with a value that reviewers agree on or an admin has decided; `reviews` are oldest first."""

    job_id: UUID
    seq: int
    name: str
    custom_id: str | None
    page: int
    status: str
    prediction: str | None
    confidence: float | None
    model_name: str
    model_version: str | None
    value: str | None
    reviews: list[dict[str, Any]]

    @property
    def reason(self) -> str | None:
        """Return why there is no value, as it was said last."""
        if self.value is not None:
            return None
        return next((r["reason"] for r in reversed(self.reviews) if r["value"] is None), None)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is exported: of one tenant, narrowed to a job, to reviews since a time, to a reviewer's items."""

    tenant: str
    job_id: UUID | None = None
    since: datetime | None = None
    reviewer: str | None = None


def settled_pages(db: Database, wish: Wish, size: int) -> Iterator[list[Settled]]:
    """Yield pages of up to so many items by job and `seq`; nothing is held between two.

    Items that reviewers still disagree on, and those of jobs that are gone, are left out.
    """
    after = (_FIRST, -1)
    while True:
        rows = _page(db, wish, after, size)
        found = [Settled(*list(row)[:-1]) for row in rows if row.is_there]
        if found:
            yield found
        if len(rows) < size:
            return
        after = rows[-1].job_id, rows[-1].seq


def _page(db: Database, wish: Wish, after: tuple[UUID, int], size: int) -> list[sa.Row[Any]]:
    """Return the next items whose reviews are settled, the job's and the item's own columns null where it is gone."""
    values = {
        "tenant": wish.tenant,
        "job": wish.job_id,
        "since": wish.since,
        "reviewer": wish.reviewer,
        "after_job": after[0],
        "after_seq": after[1],
        "size": size,
    }
    with db.statement() as connection:
        return list(connection.execute(_PAGE, values).all())


_PAGE = sa.text(
    f"""WITH o AS MATERIALIZED (
        SELECT r.job_id, r.seq, {TOLD} FROM reviews r
        WHERE r.tenant = :tenant AND r.field = '' AND (r.job_id, r.seq) > (:after_job, :after_seq)
            AND (CAST(:job AS uuid) IS NULL OR r.job_id = :job)
        GROUP BY r.job_id, r.seq
        HAVING NOT ({DISAGREED}) AND (CAST(:since AS timestamptz) IS NULL OR max(r.created_at) >= :since)
            AND (CAST(:reviewer AS text) IS NULL OR bool_or(r.reviewer = :reviewer))
        ORDER BY r.job_id, r.seq LIMIT :size)
    SELECT o.job_id, o.seq, i.name, i.custom_id, i.page, i.status, i.prediction, i.confidence, j.model_name,
        j.model_version, o.final, o.reviews,
        i.seq IS NOT NULL AND j.id IS NOT NULL AS is_there
    FROM o LEFT JOIN jobs j ON j.id = o.job_id AND j.tenant = :tenant AND j.deleted_at IS NULL
            AND j.purged_at IS NULL AND (j.results_expire_at > clock_timestamp()) IS NOT FALSE
        LEFT JOIN items i ON i.job_id = o.job_id AND i.seq = o.seq
    ORDER BY o.job_id, o.seq"""
).bindparams(
    sa.bindparam("job", type_=pg.UUID()),
    sa.bindparam("after_job", type_=pg.UUID()),
    sa.bindparam("since", type_=sa.DateTime(timezone=True)),
)
