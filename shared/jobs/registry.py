"""The processes that are alive, as the table `workers` knows them, and the metrics that they leave behind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

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
    gauges: Mapping[str, float] | None = None,
) -> None:
    """Show that this process lives, what it serves, its counters since its start, and its gauges now."""
    with db.transaction() as connection:
        connection.execute(_BEAT, _row(info, items, images_per_s, metrics, gauges))


class Presence:
    """One process in the table, which counts nothing twice.

    A process that was silent for long was forgotten, its counters were added to the totals; when it comes back it
    counts from there. Used by one thread at a time.
    """

    def __init__(self, db: Database, info: WorkerInfo) -> None:
        self._db, self._info = db, info
        self._known = False
        self._sent: Mapping[str, float] = {}
        self._folded: Mapping[str, float] = {}

    def beat(
        self,
        *,
        models: Sequence[str] = (),
        items: int = 0,
        images_per_s: float = 0.0,
        metrics: Mapping[str, float] | None = None,
        gauges: Mapping[str, float] | None = None,
    ) -> None:
        """Show that the process lives; `metrics` are its counters since its start."""
        info: WorkerInfo = {**self._info, "models": list(models)}
        now, folded = dict(metrics or {}), self._folded
        with self._db.transaction() as connection:
            again = _row(info, items, images_per_s, _beyond(now, folded), gauges)
            if not self._known or not connection.execute(_BEAT_AGAIN, again).rowcount:
                folded = self._sent if self._known else folded
                connection.execute(_BEAT, _row(info, items, images_per_s, _beyond(now, folded), gauges))
        # only what is committed was sent: the totals hold nothing of a beat that failed
        self._known, self._sent, self._folded = True, now, folded

    def leave(self) -> None:
        """Fold the counters into the totals and forget this process."""
        leave(self._db, self._info["id"])
        self._known, self._folded = False, self._sent


def _beyond(metrics: Mapping[str, float], folded: Mapping[str, float]) -> dict[str, float]:
    """Return the part of the counters that the totals do not hold yet."""
    return {name: value - folded.get(name, 0.0) for name, value in metrics.items()}


def leave(db: Database, worker_id: str) -> None:
    """Fold the counters of a process that stops into the totals and forget it."""
    db.run(lambda connection: connection.execute(_FOLD, {"id": worker_id, "gone": 0.0}))


def forget_gone(db: Database, *, gone_s: float) -> None:
    """Do the same for processes that have not shown themselves for so long."""
    db.run(lambda connection: connection.execute(_FOLD, {"id": None, "gone": gone_s}))


def count(db: Database, name: str, value: float) -> None:
    """Add to a counter that outlives its process."""
    with db.transaction() as connection:
        connection.execute(_COUNT, {"name": name, "value": value})


def _row(
    info: WorkerInfo,
    items: int,
    images_per_s: float,
    metrics: Mapping[str, float] | None,
    gauges: Mapping[str, float] | None,
) -> dict[str, object]:
    """Return what a beat binds."""
    return {
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
        "gauges": json.dumps(dict(gauges or {})),
    }


_BEAT = sa.text(
    """INSERT INTO workers (id, host, pid, role, lane, device, engine, models, items, images_per_s, metrics, gauges)
    VALUES (:id, :host, :pid, :role, :lane, :device, :engine, CAST(:models AS jsonb), :items, :images_per_s,
        CAST(:metrics AS jsonb), CAST(:gauges AS jsonb))
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp(), items = excluded.items, lane = excluded.lane,
        models = excluded.models, device = excluded.device, engine = excluded.engine,
        images_per_s = excluded.images_per_s, metrics = excluded.metrics, gauges = excluded.gauges"""
)
_BEAT_AGAIN = sa.text(
    """UPDATE workers SET heartbeat_at = clock_timestamp(), items = :items, models = CAST(:models AS jsonb),
        images_per_s = :images_per_s, metrics = CAST(:metrics AS jsonb), gauges = CAST(:gauges AS jsonb)
    WHERE id = :id"""
)
# one statement: a process that beats meanwhile is either seen as alive or finds itself forgotten
_FOLD = sa.text(
    """WITH gone AS (
        DELETE FROM workers w WHERE w.id = CAST(:id AS text) OR (CAST(:id AS text) IS NULL
            AND w.heartbeat_at < clock_timestamp() - :gone * interval '1 second') RETURNING w.metrics)
    INSERT INTO metric_totals AS t (name, value)
    SELECT m.key, sum(m.value::double precision) FROM gone, jsonb_each_text(gone.metrics) m
    GROUP BY m.key ORDER BY m.key
    ON CONFLICT (name) DO UPDATE SET value = t.value + excluded.value"""
)
_COUNT = sa.text(
    """INSERT INTO metric_totals AS t (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = t.value + excluded.value"""
)
