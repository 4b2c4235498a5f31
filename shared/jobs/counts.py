"""Add to the counters of jobs, and end the job whose last item this was: the last statement of every commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.contracts import Finished, ItemRow, JobEnd
from shared.jobs.binding import array_of
from shared.status import TERMINAL, Decision, ItemStatus, JobStatus


@dataclass(slots=True)
class Tally:
    """How many items of one job ended how, and when the first of them was claimed."""

    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    canceled: int = 0
    expired: int = 0
    accepted: int = 0
    review: int = 0
    since: datetime | None = None

    def add(self, rows: Sequence[ItemRow]) -> None:
        """Count these rows in."""
        by_status = Counter(row.status for row in rows)
        self.succeeded += by_status[ItemStatus.SUCCEEDED]
        self.failed += by_status[ItemStatus.FAILED]
        self.skipped += by_status[ItemStatus.SKIPPED]
        self.canceled += by_status[ItemStatus.CANCELED]
        self.expired += by_status[ItemStatus.EXPIRED]
        accepted = sum(row.decision == Decision.ACCEPT for row in rows)
        self.accepted += accepted
        self.review += by_status[ItemStatus.SUCCEEDED] - accepted


def add_counts(
    connection: sa.Connection,
    tallies: dict[UUID, Tally],
    results_ttl_s: float,
    finished: Sequence[Finished] = (),
) -> list[JobEnd]:
    """Add to the jobs' counters, in the order of their ids; the one that completes a job ends it.

    The terminal state follows the contract's order: canceled, expired, succeeded, partially succeeded, failed.
    """
    if not tallies:
        return []
    models = {f.claim.job_id: f for f in finished}
    ids = sorted(tallies)
    counts = {
        name: [getattr(tallies[i], name) for i in ids]
        for name in ("succeeded", "failed", "skipped", "canceled", "expired", "accepted", "review")
    }
    pins = [models.get(i) for i in ids]
    rows = connection.execute(
        _ADD,
        {
            "ids": ids,
            **counts,
            "versions": [f.model_version if f else None for f in pins],
            "sha256s": [f.model_sha256 if f else None for f in pins],
            "engines": [f.engine_class if f else None for f in pins],
            "preparations": [f.preparation if f else None for f in pins],
            "since": [tallies[i].since for i in ids],
            "ttl": results_ttl_s,
        },
    ).all()
    return [job_end(row) for row in rows]


def job_end(row: sa.Row[Any]) -> JobEnd:
    """Read what a statement that ends with `APPLY` says of a job."""
    return JobEnd(row.id, row.status, row.version, JobStatus(row.status) in TERMINAL, row.seconds)


APPLY = """locked AS MATERIALIZED (
        SELECT j.id, j.total, j.status, j.finished_at,
            j.succeeded + t.succeeded AS s, j.failed + t.failed AS f, j.skipped + t.skipped AS k,
            j.canceled + t.canceled AS c, j.expired + t.expired AS e,
            j.accepted + t.accepted AS a, j.review + t.review AS r,
            t.model_version, t.sha256, t.engine_class, t.preparation, t.since
        FROM jobs j JOIN t ON t.id = j.id ORDER BY j.id FOR UPDATE OF j
    ), summed AS (SELECT *, s + f + k + c + e = total AS complete FROM locked
    ), changed AS (
    UPDATE jobs j SET succeeded = n.s, failed = n.f, skipped = n.k, canceled = n.c, expired = n.e,
        accepted = n.a, review = n.r,
        status = CASE WHEN NOT n.complete THEN CASE WHEN n.status = 'queued' THEN 'running' ELSE n.status END
            WHEN n.c > 0 THEN 'canceled' WHEN n.e > 0 THEN 'expired' WHEN n.f = 0 THEN 'succeeded'
            WHEN n.s > 0 THEN 'partially_succeeded' ELSE 'failed' END,
        started_at = coalesce(j.started_at, n.since),
        model_version = coalesce(j.model_version, n.model_version),
        model_sha256 = coalesce(j.model_sha256, n.sha256),
        engine_class = coalesce(j.engine_class, n.engine_class),
        preparation = coalesce(j.preparation, n.preparation),
        finished_at = CASE WHEN n.complete THEN clock_timestamp() END,
        results_expire_at = CASE WHEN n.complete
            THEN clock_timestamp() + CAST(:ttl AS double precision) * interval '1 second' END
    FROM summed n WHERE j.id = n.id RETURNING j.id, j.status, j.version,
        extract(epoch FROM j.finished_at - j.created_at)::double precision AS seconds
    )
"""
"""The rest of a statement whose CTE `t` holds a row of counts a job: lock the jobs in order, add, end what is complete.

Its last part is open: a SELECT from `changed` follows. Webhooks are told by a trigger on `jobs`, in this transaction.
"""
_ADD = sa.text(
    f"""WITH t AS MATERIALIZED (
        SELECT * FROM unnest(:ids, :succeeded, :failed, :skipped, :canceled, :expired, :accepted, :review,
            :versions, :sha256s, :engines, :preparations, :since)
            AS t (id, succeeded, failed, skipped, canceled, expired, accepted, review, model_version, sha256,
                engine_class, preparation, since)
    ), {APPLY}
    SELECT id, status, version, seconds FROM changed"""
).bindparams(
    array_of("ids", pg.UUID()),
    *(
        array_of(n, sa.Integer())
        for n in ("succeeded", "failed", "skipped", "canceled", "expired", "accepted", "review")
    ),
    *(array_of(n, sa.Text()) for n in ("versions", "sha256s", "engines", "preparations")),
    array_of("since", sa.DateTime(timezone=True)),
)
