"""Read results: pages in the order of `seq` that never skip an unfinished item, one item, and the summary."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.db import Database
from shared.errors import Gone, NotFound
from shared.reviews.outcome import DISAGREED, TOLD

REVIEWERS_DISAGREE = "reviewers_disagree"


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
    reviews: list[dict[str, Any]] | None = None
    agreed_value: str | None = None
    disagreed: bool | None = None

    @property
    def final_value(self) -> str | None:
        """Return what the reviewers agree on or an admin has decided, else what was read."""
        return self.prediction if not self.reviews or self.disagreed else self.agreed_value

    @property
    def all_reasons(self) -> list[str]:
        """Return why a person should look, whether reader or reviewers are in doubt."""
        return [*(self.reasons or ()), *((REVIEWERS_DISAGREE,) if self.disagreed else ())]


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """What a page is narrowed to.

    With `not_reviewed_by` the items come without anybody's review: a further reviewer is not to know the others'.
    """

    statuses: Sequence[str] = ()
    decision: str | None = None
    reviewed: bool | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None
    prediction: str | None = None
    not_reviewed_by: str | None = None
    disagreed: bool | None = None
    seqs: Sequence[int] | None = None

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


def read_items(db: Database, tenant: str, job_id: UUID, seqs: Sequence[int]) -> list[ItemView]:
    """Return those of these items that are finished, in the order of `seq`."""
    with db.statement() as connection:
        rows = connection.execute(_ITEMS, {"id": job_id, "tenant": tenant, "seqs": list(seqs)}).all()
    return [ItemView(*row) for row in rows]


def _values(wanted: ItemFilter) -> dict[str, Any]:
    """Return the bound values of a filter."""
    given: dict[str, Any] = {
        "statuses": list(wanted.statuses) or None,
        "decision": wanted.decision,
        "reviewed": wanted.reviewed,
        "min_confidence": _single(wanted.min_confidence),
        "max_confidence": _single(wanted.max_confidence),
        "prediction": wanted.prediction,
        "not_reviewed_by": wanted.not_reviewed_by,
        "disagreed": wanted.disagreed,
        "seqs": None if wanted.seqs is None else list(wanted.seqs),
    }
    return {name: value for name, value in given.items() if value is not None}


def _single(value: float | None) -> float | None:
    """Round as a column of type `real` does; PostgreSQL refuses what is too small for it, here that is 0."""
    return None if value is None else struct.unpack("<f", struct.pack("<f", value))[0]


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
        SELECT job.terminal, job.gone, job.low, page.*{_BLIND if wanted.not_reviewed_by is not None else _SEEING}
        ORDER BY page.seq"""
    )
    if wanted.statuses:
        statement = statement.bindparams(sa.bindparam("statuses", type_=pg.ARRAY(sa.Text())))
    if wanted.seqs is not None:
        statement = statement.bindparams(sa.bindparam("seqs", type_=pg.ARRAY(sa.Integer())))
    return statement


_COLUMNS = """i.seq, i.status, i.name, i.custom_id, i.page, i.prediction, i.confidence, i.probabilities,
    i.alternatives, i.decision, i.reasons, i.error_code, i.error_detail, i.width, i.height"""
_FILTERS = {
    "seqs": "i.seq = ANY (:seqs)",
    "statuses": "i.status = ANY (:statuses)",
    "decision": "i.decision = :decision",
    "reviewed": """EXISTS (SELECT FROM reviews r WHERE r.job_id = i.job_id AND r.seq = i.seq) = :reviewed""",
    "min_confidence": "i.confidence >= CAST(:min_confidence AS real)",
    "max_confidence": "i.confidence <= CAST(:max_confidence AS real)",
    "prediction": "i.prediction = :prediction",
    "not_reviewed_by": """NOT EXISTS (SELECT FROM reviews r WHERE r.job_id = i.job_id AND r.seq = i.seq
        AND r.reviewer = :not_reviewed_by)""",
    "disagreed": f"""(SELECT {DISAGREED} FROM reviews r WHERE r.job_id = i.job_id AND r.seq = i.seq HAVING count(*) > 0)
        IS TRUE = :disagreed""",
}
_BLIND = " FROM job LEFT JOIN page ON true"
_SEEING = f""", told.reviews, told.final, told.disagreed FROM job LEFT JOIN page ON true LEFT JOIN (
    SELECT r.seq, {TOLD} FROM reviews r WHERE r.job_id = :id AND r.seq IN (SELECT seq FROM page) GROUP BY r.seq) told
    ON told.seq = page.seq"""
_SINGLE = f"""SELECT {_COLUMNS}, told.* FROM items i JOIN jobs j ON j.id = i.job_id LEFT JOIN LATERAL (
    SELECT {TOLD} FROM reviews r WHERE r.job_id = i.job_id AND r.seq = i.seq HAVING count(*) > 0) told ON true
    WHERE i.job_id = :id AND j.tenant = :tenant AND j.deleted_at IS NULL"""
_ITEM = sa.text(f"{_SINGLE} AND i.seq = :seq")
_ITEMS = sa.text(f"{_SINGLE} AND i.seq = ANY (:seqs) ORDER BY i.seq").bindparams(
    sa.bindparam("seqs", type_=pg.ARRAY(sa.Integer()))
)
