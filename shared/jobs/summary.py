"""Sum a job up: counts by what was read, decided and wrong, confidences, and how fast it went."""

from __future__ import annotations

from typing import TypedDict
from uuid import UUID

import sqlalchemy as sa

from shared.db import Database
from shared.errors import Gone

BINS = 20
STEPS = 60


class Bin(TypedDict):
    """One bar of the confidence histogram: from `low` to below `high` (the last one includes 1)."""

    low: float
    high: float
    count: int


class Pace(TypedDict):
    """Items whose chunk was taken up in the `seconds` from `at` (seconds since the job's start) on."""

    at: float
    seconds: float
    items: int


class Summary(TypedDict):
    """What a job's items come to."""

    by_status: dict[str, int]
    by_prediction: dict[str, int]
    by_decision: dict[str, int]
    by_reason: dict[str, int]
    by_error: dict[str, int]
    confidence: list[Bin]
    throughput: list[Pace]


def summarize(db: Database, job_id: UUID) -> Summary:
    """Count the items that are written so far, all groups in one snapshot.

    Raises:
        Gone: the results have expired.
    """
    with db.transaction() as connection:
        _refuse_gone(connection, job_id)
        rows = connection.execute(_GROUPS, {"id": job_id, "bins": BINS}).all()
        paces = connection.execute(_PACE, {"id": job_id, "steps": STEPS}).all()
    groups: dict[str, dict[str, int]] = {}
    for kind, value, count in rows:
        groups.setdefault(kind, {})[value] = count
    return Summary(
        by_status=_ordered(groups.get("status", {})),
        by_prediction=_ordered(groups.get("prediction", {})),
        by_decision=_ordered(groups.get("decision", {})),
        by_reason=_ordered(groups.get("reason", {})),
        by_error=_ordered(groups.get("error", {})),
        confidence=_histogram(groups.get("bin", {})),
        throughput=[Pace(at=row.at, seconds=row.seconds, items=row.items) for row in paces],
    )


def check_results(db: Database, job_id: UUID) -> None:
    """Check that a job's results are still there.

    Raises:
        Gone: they have expired.
    """
    with db.statement() as connection:
        _refuse_gone(connection, job_id)


def _refuse_gone(connection: sa.Connection, job_id: UUID) -> None:
    if connection.execute(_GONE, {"id": job_id}).scalar_one_or_none():
        raise Gone()


def _ordered(counts: dict[str, int]) -> dict[str, int]:
    """Sort by key, so that the same job always reads the same."""
    return dict(sorted(counts.items()))


def _histogram(counts: dict[str, int]) -> list[Bin]:
    """Make the bars; Postgres numbers them from 1, and puts a confidence of exactly 1 into one more."""
    bars = [counts.get(str(i + 1), 0) for i in range(BINS)]
    bars[-1] += counts.get(str(BINS + 1), 0)
    return [Bin(low=i / BINS, high=(i + 1) / BINS, count=count) for i, count in enumerate(bars)]


_GONE = sa.text(
    """SELECT (purged_at IS NOT NULL OR results_expire_at <= clock_timestamp()) IS TRUE FROM jobs WHERE id = :id"""
)
_GROUPS = sa.text(
    """WITH i AS MATERIALIZED (
        SELECT status, prediction, decision, reasons, error_code, width_bucket(confidence, 0, 1, :bins) AS bin,
            count(*) AS n
        FROM items WHERE job_id = :id GROUP BY 1, 2, 3, 4, 5, 6)
    SELECT 'status', status, sum(n)::int FROM i GROUP BY status
    UNION ALL SELECT 'prediction', prediction, sum(n)::int FROM i WHERE prediction IS NOT NULL GROUP BY prediction
    UNION ALL SELECT 'decision', decision, sum(n)::int FROM i WHERE decision IS NOT NULL GROUP BY decision
    UNION ALL SELECT 'reason', r, sum(n)::int FROM i, unnest(i.reasons) AS r GROUP BY r
    UNION ALL SELECT 'error', error_code, sum(n)::int FROM i WHERE error_code IS NOT NULL GROUP BY error_code
    UNION ALL SELECT 'bin', bin::text, sum(n)::int FROM i WHERE bin IS NOT NULL GROUP BY bin"""
)
_PACE = sa.text(
    """WITH j AS (
        SELECT id, started_at, greatest(1.0, ceil(extract(epoch FROM
            coalesce(finished_at, clock_timestamp()) - started_at) / :steps))::double precision AS width
        FROM jobs WHERE id = :id AND started_at IS NOT NULL)
    SELECT (floor(greatest(0, extract(epoch FROM k.claimed_at - j.started_at)) / j.width) * j.width)::double precision
            AS at, j.width AS seconds, sum(k.end_seq - k.first_seq)::int AS items
    FROM j JOIN chunks k ON k.job_id = j.id
    WHERE k.state = 'done' AND k.kind = 'classify' AND k.claimed_at IS NOT NULL GROUP BY 1, 2 ORDER BY 1"""
)
