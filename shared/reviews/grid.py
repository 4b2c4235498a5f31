"""Every finished item of a job in a few bytes: columns that a page filters, sorts and groups by in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from shared.db import Database, raw_cursor
from shared.errors import Gone, NotFound
from shared.reviews.outcome import DISAGREED, FINAL

STATUSES = ("succeeded", "failed", "skipped", "canceled", "expired")
DOUBTED, REVIEWED, DISPUTED, CORRECTED = 8, 16, 32, 64
"""Bits of `flags` above the three of the status."""
_ELEMENT = np.dtype([("length", ">i4"), ("packed", ">u8")])
"""An element of an array of bigint as Postgres sends it in binary."""
_ARRAY_HEADER = 20
_LABEL, _FINAL, _FLAGS = 16, 32, 48
"""Where each number begins in the 64 bits of an item; the confidence has the lowest."""


@dataclass(frozen=True, slots=True)
class GridHead:
    """The job that a grid shows; `low` items from the first are finished without a gap."""

    model_name: str
    model_version: str | None
    total: int
    version: int
    is_terminal: bool
    reviewed: int
    low: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Columns of N items.

    `confidence` uint16: 65,535 is 1. `label` and `final` int16: indices into `labels`, −1 is none. `flags` uint8.
    """

    labels: tuple[str, ...]
    confidence: npt.NDArray[np.uint16]
    label: npt.NDArray[np.int16]
    final: npt.NDArray[np.int16]
    flags: npt.NDArray[np.uint8]


def grid_head(db: Database, tenant: str, job_id: UUID) -> GridHead:
    """Return what a grid shows, without its items.

    Raises:
        NotFound: no such job.
        Gone: its results have expired.
    """
    with db.statement() as connection:
        row = connection.execute(_HEAD, {"id": job_id, "tenant": tenant}).one_or_none()
    if row is None:
        raise NotFound("There is no job with this id.")
    if row.gone:
        raise Gone()
    return GridHead(*row[1:])


def read_grid(db: Database, job_id: UUID, head: GridHead, labels: tuple[str, ...] | None) -> Grid:
    """Read the columns as one value of the database.

    Args:
        labels: the model's public labels; those that occur when None.
    """
    with db.transaction() as connection:
        known = labels
        if known is None:
            found = connection.execute(_LABELS, {"id": job_id, "low": head.low}).scalars()
            known = tuple(sorted(set(found)))
        values = {"id": job_id, "low": head.low, "labels": list(known)}
        packed = _packed(connection, _WITH_REVIEWS if head.reviewed else _PLAIN, values)
    return Grid(
        known,
        packed.astype(np.uint16),
        (packed >> _LABEL).astype(np.uint16).astype(np.int16) - 1,
        (packed >> _FINAL).astype(np.uint16).astype(np.int16) - 1,
        (packed >> _FLAGS).astype(np.uint8),
    )


def _packed(connection: sa.Connection, statement: str, values: dict[str, Any]) -> npt.NDArray[np.uint64]:
    """Return one number an item; a hundred thousand rows by themselves would take three times as long."""
    with raw_cursor(connection) as cursor:
        found = cursor.execute(statement, values, binary=True).fetchone()
    data = found[0] if found else None
    if data is None:
        return np.zeros(0, np.uint64)
    return np.frombuffer(data, _ELEMENT, offset=_ARRAY_HEADER)["packed"].astype(np.uint64)


_HEAD = sa.text(
    """SELECT (j.purged_at IS NOT NULL OR j.results_expire_at <= clock_timestamp()) IS TRUE AS gone,
        j.model_name, j.model_version, j.total, j.version, j.finished_at IS NOT NULL AS is_terminal, j.reviewed,
        coalesce((SELECT min(k.first_seq) FROM chunks k WHERE k.job_id = j.id AND k.state <> 'done'),
            CASE WHEN j.status = 'validating' THEN 0 ELSE j.total END) AS low
    FROM jobs j WHERE j.id = :id AND j.tenant = :tenant AND j.deleted_at IS NULL"""
)
_LABELS = sa.text(
    """SELECT DISTINCT prediction FROM items WHERE job_id = :id AND seq < :low AND prediction IS NOT NULL
    UNION SELECT DISTINCT value FROM reviews WHERE job_id = :id AND value IS NOT NULL"""
)
_STATUS = " ".join(f"WHEN '{status}' THEN {code}" for code, status in enumerate(STATUSES))
_CONFIDENCE = "round(coalesce(i.confidence, 0)::double precision * 65535)::int8"
_STATE = f"(CASE i.status {_STATUS} END) + CASE i.decision WHEN 'review' THEN {DOUBTED} ELSE 0 END"
_INDEX = """l AS MATERIALIZED (SELECT label, place
        FROM unnest(%(labels)s::text[]) WITH ORDINALITY AS u (label, place))"""
_PLAIN = f"""WITH {_INDEX}
    SELECT array_send(array_agg({_CONFIDENCE} + (coalesce(l.place, 0) << {_LABEL}) + (coalesce(l.place, 0) << {_FINAL})
        + (({_STATE})::int8 << {_FLAGS}) ORDER BY i.seq))
    FROM items i LEFT JOIN l ON l.label = i.prediction WHERE i.job_id = %(id)s::uuid AND i.seq < %(low)s"""
_WITH_REVIEWS = f"""WITH {_INDEX}, o AS MATERIALIZED (
        SELECT r.seq, {FINAL} AS final, {DISAGREED} AS disagreed FROM reviews r
        WHERE r.job_id = %(id)s::uuid AND r.field = '' GROUP BY r.seq)
    SELECT array_send(array_agg({_CONFIDENCE} + (coalesce(l.place, 0) << {_LABEL})
        + (coalesce(CASE WHEN o.disagreed IS FALSE THEN f.place ELSE l.place END, 0) << {_FINAL})
        + (({_STATE} + CASE WHEN o.seq IS NULL THEN 0 ELSE {REVIEWED} END
            + CASE WHEN o.disagreed THEN {DISPUTED} ELSE 0 END
            + CASE WHEN o.disagreed IS FALSE AND o.final IS DISTINCT FROM i.prediction THEN {CORRECTED}
                ELSE 0 END)::int8 << {_FLAGS}) ORDER BY i.seq))
    FROM items i LEFT JOIN l ON l.label = i.prediction LEFT JOIN o ON o.seq = i.seq LEFT JOIN l f ON f.label = o.final
    WHERE i.job_id = %(id)s::uuid AND i.seq < %(low)s"""
