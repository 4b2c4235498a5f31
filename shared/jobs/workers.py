"""Read which processes are alive, and what the metrics of all of them add up to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from shared.db import Database


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One process that has shown itself lately."""

    id: str
    host: str
    pid: int
    role: str
    lane: str | None
    device: str | None
    engine: str | None
    models: list[str]
    items: int
    images_per_s: float
    started_at: datetime
    heartbeat_at: datetime
    age_s: float


def live_workers(db: Database, *, gone_s: float) -> list[WorkerView]:
    """Return the workers and stewards whose last heartbeat is younger than this, by the database's clock."""
    with db.statement() as connection:
        return [WorkerView(**row._mapping) for row in connection.execute(_LIVE, {"gone": gone_s})]


def serves(worker: WorkerView, ref: str) -> bool:
    """Tell whether a worker has this model loaded, by name or by `name@version`."""
    return worker.role == "worker" and any(m == ref or m.split("@")[0] == ref for m in worker.models)


def metric_sums(db: Database) -> dict[str, float]:
    """Return every metric sample, added up over living and gone processes; one snapshot."""
    with db.statement() as connection:
        return {row.name: float(row.value) for row in connection.execute(_SUMS)}


_LIVE = sa.text(
    """SELECT id, host, pid, role, lane, device, engine, models, items, images_per_s, started_at, heartbeat_at,
        extract(epoch FROM clock_timestamp() - heartbeat_at)::double precision AS age_s
    FROM workers WHERE heartbeat_at > clock_timestamp() - :gone * interval '1 second' AND role <> 'api'
    ORDER BY role, id"""
)
_SUMS = sa.text(
    """SELECT name, sum(value) AS value FROM (
        SELECT m.key AS name, m.value::double precision AS value FROM workers w, jsonb_each_text(w.metrics) m
        UNION ALL SELECT name, value FROM metric_totals) s
    GROUP BY name ORDER BY name"""
)
