"""Read the answer of a prediction in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.db import Database


@dataclass(frozen=True, slots=True)
class PredictView:
    """A prediction's job and, once it is there, its first item."""

    job_id: UUID
    finished: bool
    total: int
    model_name: str
    model_version: str | None
    model_sha256: str | None
    status: str | None
    prediction: str | None
    confidence: float | None
    probabilities: list[float] | None
    alternatives: list[Any] | None
    decision: str | None
    reasons: list[str] | None
    error_code: str | None
    error_detail: str | None


def read_prediction(db: Database, tenant: str, job_id: UUID) -> PredictView | None:
    """Return how far a prediction is; None when its job is gone."""
    with db.statement() as connection:
        row = connection.execute(_READ, {"id": job_id, "tenant": tenant}).one_or_none()
    return None if row is None else PredictView(*row)


_READ = sa.text(
    """SELECT j.id, j.finished_at IS NOT NULL, j.total, j.model_name, j.model_version, j.model_sha256, i.status,
        i.prediction, i.confidence, i.probabilities, i.alternatives, i.decision, i.reasons, i.error_code,
        i.error_detail
    FROM jobs j LEFT JOIN items i ON i.job_id = j.id AND i.seq = 0 WHERE j.id = :id AND j.tenant = :tenant"""
)
