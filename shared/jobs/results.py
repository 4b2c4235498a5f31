"""Read results: pages in the order of `seq` that never skip an unfinished item, one item, and the summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.db import Database
from shared.errors import Gone, NotFound


@dataclass(frozen=True, slots=True)
class ItemView:
    """One finished item as it is read."""

    seq: int
    status: str
    name: str
    custom_id: str | None
    page: int
    prediction: str | None
    confidence: float | None
    probabilities: list[float] | None
    alternatives: list[Any] | None
    decision: str | None
    reasons: list[str] | None
    error_code: str | None
    error_detail: str | None
    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """What a page is narrowed to."""

    statuses: Sequence[str] = ()
    decision: str | None = None
    reviewed: bool | None = None
    max_confidence: float | None = None
    prediction: str | None = None

    def __bool__(self) -> bool:
        """Tell whether anything is narrowed at all."""
        return self != ItemFilter()


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Items after a position, `last` seq looked at, and whether nothing can follow any more."""

    items: list[ItemView]
    last: int
    complete: bool


def read_page(
    db: Database, tenant: str, job_id: UUID, *, after: int, limit: int, wanted: ItemFilter | None = None
) -> ResultPage:
    """Return up to `limit` items whose `seq` is greater than `after`, ending before the first unfinished one.

    One statement, so job, open chunks and items are of one moment: what it returns is gap-free, and a later page
    never has to bring an item that this one passed over. Holds nothing when it returns.

    Raises:
        NotFound: the job is not there, or is another tenant's.
        Gone: its results have expired.
    """
    wanted = wanted or ItemFilter()
    values = {"id": job_id, "tenant": tenant, "after": after, "limit": limit} | _values(wanted)
    with db.statement() as connection:
        rows = connection.execute(_page_statement(wanted), values).all()
    if not rows:
        raise NotFound("There is no job with this id.")
    head = rows[0]
    if head.gone:
        raise Gone()
    items = [ItemView(*row[3:]) for row in rows if row.seq is not None]
    last = items[-1].seq if len(items) == limit else max(after, head.low - 1)
    return ResultPage(items, last, head.terminal and last >= head.low - 1)


def read_item(db: Database, tenant: str, job_id: UUID, seq: int) -> ItemView:
    """Return one item.

    Raises:
        NotFound: no such job, or no such item, or it has not been worked on yet.
        Gone: the results have expired.
    """
    page = read_page(db, tenant, job_id, after=seq - 1, limit=1)
    if page.items and page.items[0].seq == seq:
        return page.items[0]
    with db.statement() as connection:
        row = connection.execute(_ITEM, {"id": job_id, "tenant": tenant, "seq": seq}).one_or_none()
    if row is None:
        raise NotFound("There is no finished item with this number.")
    return ItemView(*row)


def _values(wanted: ItemFilter) -> dict[str, Any]:
    """Return the bound values of a filter."""
    given: dict[str, Any] = {
        "statuses": list(wanted.statuses) or None,
        "decision": wanted.decision,
        "reviewed": wanted.reviewed,
        "max_confidence": wanted.max_confidence,
        "prediction": wanted.prediction,
    }
    return {name: value for name, value in given.items() if value is not None}


def _page_statement(wanted: ItemFilter) -> sa.TextClause:
    """Return the statement for a page of this filter."""
    conditions = "".join(f" AND {_FILTERS[name]}" for name in _values(wanted))
    statement = sa.text(
        f"""WITH job AS (
            SELECT j.id, j.finished_at IS NOT NULL AS terminal,
                (j.purged_at IS NOT NULL OR j.results_expire_at <= clock_timestamp()) IS TRUE AS gone,
                coalesce((SELECT min(k.first_seq) FROM chunks k WHERE k.job_id = j.id AND k.state <> 'done'),
                    CASE WHEN j.status = 'validating' THEN 0 ELSE j.total END) AS low
            FROM jobs j WHERE j.id = :id AND j.tenant = :tenant AND j.deleted_at IS NULL
        ), page AS (
            SELECT {_COLUMNS} FROM job, items i
            WHERE i.job_id = :id AND i.seq > :after AND i.seq < job.low AND NOT job.gone{conditions}
            ORDER BY i.seq LIMIT :limit)
        SELECT job.terminal, job.gone, job.low, page.* FROM job LEFT JOIN page ON true ORDER BY page.seq"""
    )
    if wanted.statuses:
        statement = statement.bindparams(sa.bindparam("statuses", type_=pg.ARRAY(sa.Text())))
    return statement


_COLUMNS = """i.seq, i.status, i.name, i.custom_id, i.page, i.prediction, i.confidence, i.probabilities,
    i.alternatives, i.decision, i.reasons, i.error_code, i.error_detail, i.width, i.height"""
_FILTERS = {
    "statuses": "i.status = ANY (:statuses)",
    "decision": "i.decision = :decision",
    "reviewed": """EXISTS (SELECT FROM reviews r WHERE r.job_id = i.job_id AND r.seq = i.seq) = :reviewed""",
    "max_confidence": "i.confidence <= CAST(:max_confidence AS real)",
    "prediction": "i.prediction = :prediction",
}
_ITEM = sa.text(
    f"""SELECT {_COLUMNS} FROM items i JOIN jobs j ON j.id = i.job_id
    WHERE i.job_id = :id AND i.seq = :seq AND j.tenant = :tenant AND j.deleted_at IS NULL"""
)
