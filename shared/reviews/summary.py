"""Sum the reviews of a job up: how far, and how well reviewers agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, TypedDict
from uuid import UUID

import sqlalchemy as sa

from shared.db import Database
from shared.documents import time_text
from shared.errors import Gone, NotFound
from shared.reviews.outcome import DISAGREED, FINAL

MOST_REVIEWERS = 50
COMPARED = 10
"""Reviewers with the most items that are compared pair by pair."""


class Reviewer(TypedDict):
    """How far one reviewer has come."""

    reviewer: str
    items: int
    done: int
    left: int
    same_as_machine: int
    last_reviewed_at: str | None


class Agreement(TypedDict):
    """How often two reviewers gave the same value."""

    reviewers: tuple[str, str]
    items: int
    same: int
    percent: float
    kappa: float | None


class ReviewSummary(TypedDict):
    """What the reviews of a job come to."""

    needed: int
    done: int
    left: int
    reviewed: int
    corrected: int
    disagreed: int
    reviewers: list[Reviewer]
    agreement: list[Agreement]


def summarize_reviews(db: Database, tenant: str, job_id: UUID) -> ReviewSummary:
    """Count reviews, reviewers and what they agree on.

    Raises:
        NotFound: no such job.
        Gone: its results have expired.
    """
    values = {"id": job_id, "tenant": tenant, "most": MOST_REVIEWERS, "compared": COMPARED}
    with db.transaction() as connection:
        head = connection.execute(_HEAD, values).one_or_none()
        if head is None:
            raise NotFound("There is no job with this id.")
        if head.gone:
            raise Gone()
        totals = connection.execute(_TOTALS, values).one()
        people = connection.execute(_PEOPLE, values).all()
        pairs = connection.execute(_PAIRS, values).all()
    return ReviewSummary(
        needed=head.review,
        done=head.review_done,
        left=head.review - head.review_done,
        reviewed=head.reviewed,
        corrected=totals.corrected,
        disagreed=totals.disagreed,
        reviewers=[_reviewer(row, head.review) for row in people],
        agreement=_agreement(pairs),
    )


def cohens_kappa(table: Counter[tuple[str | None, str | None]]) -> float | None:
    """Return Cohen's kappa of two raters' values by pair and count; None where chance alone would always agree.

    Source: Cohen, "A Coefficient of Agreement for Nominal Scales", 1960.
    """
    count = sum(table.values())
    first: Counter[str | None] = Counter()
    second: Counter[str | None] = Counter()
    for (one, other), n in table.items():
        first[one] += n
        second[other] += n
    by_chance = sum(first[value] * second[value] for value in first)
    if count == 0 or by_chance == count * count:
        return None
    same = sum(n for (one, other), n in table.items() if one == other)
    return (same * count - by_chance) / (count * count - by_chance)


def _reviewer(row: sa.Row[Any], needed: int) -> Reviewer:
    return Reviewer(
        reviewer=row.reviewer,
        items=row.items,
        done=row.done,
        left=needed - row.done,
        same_as_machine=row.same,
        last_reviewed_at=time_text(row.last_at),
    )


def _agreement(rows: Iterable[sa.Row[Any]]) -> list[Agreement]:
    """Compare each pair of reviewers that share items."""
    tables: dict[tuple[str, str], Counter[tuple[str | None, str | None]]] = {}
    for row in rows:
        tables.setdefault((row.one, row.other), Counter())[row.said, row.replied] += row.items
    found = []
    for pair, table in sorted(tables.items()):
        items, kappa = sum(table.values()), cohens_kappa(table)
        same = sum(n for (one, other), n in table.items() if one == other)
        found.append(
            Agreement(
                reviewers=pair,
                items=items,
                same=same,
                percent=round(100 * same / items, 1),
                kappa=None if kappa is None else round(kappa, 4),
            )
        )
    return found


_HEAD = sa.text(
    """SELECT review, review_done, reviewed,
        (purged_at IS NOT NULL OR results_expire_at <= clock_timestamp()) IS TRUE AS gone
    FROM jobs WHERE id = :id AND tenant = :tenant AND deleted_at IS NULL"""
)
_TOTALS = sa.text(
    f"""SELECT count(*) FILTER (WHERE o.disagreed)::int AS disagreed,
        count(*) FILTER (WHERE NOT o.disagreed AND o.final IS DISTINCT FROM i.prediction)::int AS corrected
    FROM (SELECT r.job_id, r.seq, {FINAL} AS final, {DISAGREED} AS disagreed FROM reviews r
        WHERE r.job_id = :id AND r.tenant = :tenant AND r.field = '' GROUP BY r.job_id, r.seq) o
    JOIN items i ON i.job_id = :id AND i.seq = o.seq"""
)
_PEOPLE = sa.text(
    """SELECT r.reviewer, count(*)::int AS items, count(*) FILTER (WHERE i.decision = 'review')::int AS done,
        count(*) FILTER (WHERE r.value IS NOT DISTINCT FROM i.prediction)::int AS same, max(r.created_at) AS last_at
    FROM reviews r JOIN items i ON i.job_id = :id AND i.seq = r.seq
    WHERE r.job_id = :id AND r.tenant = :tenant AND r.field = ''
    GROUP BY r.reviewer ORDER BY count(*) DESC, r.reviewer LIMIT :most"""
)
_PAIRS = sa.text(
    """WITH top AS (SELECT reviewer FROM reviews WHERE job_id = :id AND tenant = :tenant
        GROUP BY reviewer ORDER BY count(*) DESC, reviewer LIMIT :compared),
    r AS MATERIALIZED (SELECT seq, field, reviewer, value FROM reviews
        WHERE job_id = :id AND tenant = :tenant AND reviewer IN (SELECT reviewer FROM top))
    SELECT a.reviewer AS one, b.reviewer AS other, a.value AS said, b.value AS replied, count(*)::int AS items
    FROM r a JOIN r b ON b.seq = a.seq AND b.field = a.field AND b.reviewer > a.reviewer
    GROUP BY 1, 2, 3, 4"""
)
