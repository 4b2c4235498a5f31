"""The processes that are alive, as the table `workers` knows them, and the metrics that they leave behind."""

from __future__ import annotations

import json
from collections.abc import Mapping

import sqlalchemy as sa

from shared.contracts import WorkerInfo
from shared.db import Database


def beat(
    db: Database,
    info: WorkerInfo,
    *,
    items: int = 0,
    images_per_s: float = 0.0,
    metrics: Mapping[str, float] | None = None,
) -> None:
    """Show that this process lives, what it serves, and its counters since its start."""
    with db.transaction() as connection:
        connection.execute(
            _BEAT,
            {
                "id": info["id"],
                "host": info["host"],
                "pid": info["pid"],
                "role": info["role"],
                "lane": info.get("lane"),
                "device": info.get("device"),
                "engine": info.get("engine"),
                "models": json.dumps(info.get("models", [])),
                "items": items,
                "images_per_s": images_per_s,
                "metrics": json.dumps(dict(metrics or {})),
            },
        )


def leave(db: Database, worker_id: str) -> None:
    """Fold the counters of a process that stops into the totals and forget it."""
    with db.transaction() as connection:
        connection.execute(_FOLD, {"id": worker_id, "gone": 0.0})
        connection.execute(_FORGET, {"id": worker_id, "gone": 0.0})


def forget_gone(db: Database, *, gone_s: float) -> None:
    """Do the same for processes that have not shown themselves for so long."""
    with db.transaction() as connection:
        connection.execute(_LOCK_GONE, {"gone": gone_s})
        connection.execute(_FOLD, {"id": None, "gone": gone_s})
        connection.execute(_FORGET, {"id": None, "gone": gone_s})


def count(db: Database, name: str, value: float) -> None:
    """Add to a counter that outlives its process."""
    with db.transaction() as connection:
        connection.execute(_COUNT, {"name": name, "value": value})


_GONE = """(w.id = CAST(:id AS text) OR (CAST(:id AS text) IS NULL
        AND w.heartbeat_at < clock_timestamp() - :gone * interval '1 second'))"""
_BEAT = sa.text(
    """INSERT INTO workers (id, host, pid, role, lane, device, engine, models, items, images_per_s, metrics)
    VALUES (:id, :host, :pid, :role, :lane, :device, :engine, CAST(:models AS jsonb), :items, :images_per_s,
        CAST(:metrics AS jsonb))
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp(), items = excluded.items, lane = excluded.lane,
        models = excluded.models, device = excluded.device, engine = excluded.engine,
        images_per_s = excluded.images_per_s, metrics = excluded.metrics"""
)
_LOCK_GONE = sa.text(
    """SELECT id FROM workers WHERE heartbeat_at < clock_timestamp() - :gone * interval '1 second'
    ORDER BY id FOR UPDATE"""
)
_FOLD = sa.text(
    f"""INSERT INTO metric_totals AS t (name, value)
    SELECT m.key, sum(m.value::double precision) FROM workers w, jsonb_each_text(w.metrics) m
    WHERE {_GONE} GROUP BY m.key ORDER BY m.key
    ON CONFLICT (name) DO UPDATE SET value = t.value + excluded.value"""
)
_FORGET = sa.text(f"DELETE FROM workers w WHERE {_GONE}")
_COUNT = sa.text(
    """INSERT INTO metric_totals AS t (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = t.value + excluded.value"""
)
