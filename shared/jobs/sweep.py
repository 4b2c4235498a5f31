"""What the steward looks for: every query takes a bounded batch and may run in several stewards at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.db import Database
from shared.status import Lane


def claimable(db: Database, lane: Lane, cap: int) -> int:
    """Count pending chunks of a lane, up to `cap`."""
    with db.statement() as connection:
        return int(connection.execute(_CLAIMABLE, {"lane": str(lane), "cap": cap}).scalar_one())


def oldest_claimable_s(db: Database, lane: Lane, models: Sequence[str]) -> float:
    """Return the age in seconds of the first chunk of a lane that these models could serve; 0 when none waits."""
    with db.transaction() as connection:
        values = {"lane": str(lane), "models": list(models)}
        return float(connection.execute(_OLDEST, values).scalar_one())


def overdue(db: Database, limit: int = 100) -> list[UUID]:
    """Return jobs whose deadline has passed and that nobody stops yet."""
    return _ids(db, _OVERDUE, limit)


def stopping(db: Database, limit: int = 20) -> list[UUID]:
    """Return jobs that were stopped and have not ended."""
    return _ids(db, _STOPPING, limit)


def stranded(db: Database, *, older_s: float, limit: int = 20) -> list[UUID]:
    """Return jobs that have not ended although no chunk of theirs is open; there should be none."""
    with db.transaction() as connection:
        return list(connection.execute(_STRANDED, {"older": older_s, "limit": limit}).scalars())


def cut_anew(db: Database, job_id: UUID) -> int:
    """Make chunks for the items of a stranded job that have no row; return how many."""

    def work(connection: sa.Connection) -> int:
        return connection.execute(_CUT_ANEW, {"id": job_id}).rowcount

    return db.run(work)


def collect_stale_uploads(db: Database, *, stale_s: float) -> int:
    """Give up uploads that no byte has reached for so long."""
    with db.transaction() as connection:
        return connection.execute(_STALE, {"stale": stale_s}).rowcount


def collectable_inputs(db: Database, limit: int = 200) -> list[tuple[UUID, str | None]]:
    """Return inputs that nobody needs, with the key of their object."""
    with db.transaction() as connection:
        return [(row.id, row.storage_key) for row in connection.execute(_COLLECTABLE, {"limit": limit})]


def forget_inputs(db: Database, ids: Sequence[UUID]) -> None:
    """Delete the rows of inputs whose objects are gone."""
    with db.transaction() as connection:
        connection.execute(_FORGET_INPUTS, {"ids": list(ids)})


def due_tombstones(db: Database, limit: int = 200) -> list[str]:
    """Return keys of objects that nothing refers to any more."""
    with db.transaction() as connection:
        return list(connection.execute(_TOMBSTONES, {"limit": limit}).scalars())


def forget_tombstones(db: Database, keys: Sequence[str]) -> None:
    """Delete the notes on objects that are gone."""
    with db.transaction() as connection:
        connection.execute(_FORGET_TOMBSTONES, {"keys": list(keys)})


def purgeable(db: Database, limit: int = 20) -> list[UUID]:
    """Return ended jobs that were deleted, or whose results have expired, and still have rows."""
    return _ids(db, _PURGEABLE, limit)


def purge_items(db: Database, job_id: UUID, batch: int = 10_000) -> bool:
    """Delete one batch of a job's items; True when none is left."""

    def work(connection: sa.Connection) -> bool:
        return connection.execute(_PURGE_ITEMS, {"id": job_id, "batch": batch}).rowcount < batch

    return db.run(work)


def purge_rest(db: Database, job_id: UUID) -> None:
    """Delete what else a purged job has; inputs that no other job needs go to the collector.

    The inputs are locked before it is asked who needs them, in a statement of its own: a retry that refers to one at
    this very moment is either seen or waits.
    """

    def work(connection: sa.Connection) -> None:
        values = {"id": job_id}
        connection.execute(_LOCK_INPUTS, values)
        ids = list(connection.execute(_OWN_INPUTS, values).scalars())
        connection.execute(_BURY_MANIFEST, values)
        connection.execute(_BURY_VIEWS, values)
        for statement in _PURGE_REST:
            connection.execute(statement, values)
        connection.execute(_COLLECT, {"ids": ids})
        connection.execute(_PURGED, values)
        connection.execute(_REMOVE_DELETED, values)

    db.run(work)


def forget_keys(db: Database) -> int:
    """Delete idempotency keys whose time is over."""
    with db.transaction() as connection:
        return connection.execute(_FORGET_KEYS).rowcount


def end_stuck_sessions(db: Database, *, older_s: float) -> int:
    """Terminate worker sessions whose transaction is older; a frozen process holds locks that no timeout frees."""
    with db.transaction() as connection:
        return int(connection.execute(_END_STUCK, {"older": older_s}).scalar_one())


def old_snapshots(db: Database, *, older_s: float) -> list[dict[str, Any]]:
    """Return sessions that hold an old snapshot; they slow every claim."""
    with db.transaction() as connection:
        return [dict(row._mapping) for row in connection.execute(_SNAPSHOTS, {"older": older_s})]


def make_partitions(db: Database, weeks_ahead: int = 4) -> tuple[int, bool]:
    """Make the partitions of the next weeks; return how many were new, and whether any row is in the default one."""
    with db.transaction() as connection:
        made = int(
            connection.execute(
                sa.text("SELECT inkqueue_make_partitions(:n)"), {"n": weeks_ahead}
            ).scalar_one()
        )
        stray = bool(connection.execute(sa.text("SELECT EXISTS (SELECT FROM items_default)")).scalar_one())
    return made, stray


def _ids(db: Database, statement: sa.TextClause, limit: int) -> list[UUID]:
    """Run a query that returns ids."""
    with db.transaction() as connection:
        return list(connection.execute(statement, {"limit": limit}).scalars())


_OPEN = "status IN ('validating', 'queued', 'running', 'canceling')"
_uuids = sa.bindparam("ids", type_=pg.ARRAY(pg.UUID()))
_CLAIMABLE = sa.text(
    "SELECT count(*) FROM (SELECT FROM chunks WHERE state = 'pending' AND lane = :lane"
    "    AND (not_before IS NULL OR not_before <= clock_timestamp()) LIMIT :cap) c"
)
_OLDEST = sa.text(
    """SELECT coalesce((SELECT extract(epoch FROM clock_timestamp() - created_at) FROM chunks
    WHERE state = 'pending' AND lane = :lane AND model = ANY (:models) AND not_before IS NULL
    ORDER BY priority, turn, id LIMIT 1), 0)"""
).bindparams(sa.bindparam("models", type_=pg.ARRAY(sa.Text())))
_OVERDUE = sa.text(
    """SELECT id FROM jobs WHERE deadline_at < clock_timestamp() AND status IN ('validating', 'queued', 'running')
        AND stop_reason IS NULL ORDER BY deadline_at LIMIT :limit"""
)
_STOPPING = sa.text(f"SELECT id FROM jobs WHERE stop_reason IS NOT NULL AND {_OPEN} ORDER BY id LIMIT :limit")
_STRANDED = sa.text(
    f"""SELECT j.id FROM jobs j WHERE {_OPEN} AND j.created_at < clock_timestamp() - :older * interval '1 second'
        AND NOT EXISTS (SELECT FROM chunks k WHERE k.job_id = j.id AND k.state <> 'done')
    ORDER BY j.id LIMIT :limit"""
)
_CUT_ANEW = sa.text(
    f"""WITH j AS (SELECT * FROM jobs WHERE id = :id AND {_OPEN}
        AND NOT EXISTS (SELECT FROM chunks k WHERE k.job_id = :id AND k.state <> 'done') FOR UPDATE SKIP LOCKED),
    gaps AS (
        SELECT g.seq, g.seq - row_number() OVER (ORDER BY g.seq) AS island
        FROM j, generate_series(0, j.total - 1) AS g (seq)
        WHERE NOT EXISTS (SELECT FROM items i WHERE i.job_id = :id AND i.seq = g.seq)),
    ranges AS (SELECT min(seq) AS first, max(seq) + 1 AS until FROM gaps
        GROUP BY island, CASE (SELECT status FROM j) WHEN 'validating' THEN 0 ELSE seq / 1000 END)
    INSERT INTO chunks (job_id, tenant, lane, priority, turn, kind, model, first_seq, end_seq, position)
    SELECT j.id, j.tenant, j.lane, j.priority, 0,
        CASE j.status WHEN 'validating' THEN 'expand' ELSE 'classify' END, j.model_name, r.first, r.until, r.first
    FROM j, ranges r"""
)
_STALE = sa.text(
    """UPDATE inputs SET state = 'collecting'
    WHERE state = 'receiving' AND touched_at < clock_timestamp() - :stale * interval '1 second'"""
)
_COLLECTABLE = sa.text(
    "SELECT id, storage_key FROM inputs WHERE state = 'collecting' ORDER BY id LIMIT :limit"
)
_FORGET_INPUTS = sa.text("DELETE FROM inputs WHERE id = ANY (:ids) AND state = 'collecting'").bindparams(
    _uuids
)
_TOMBSTONES = sa.text(
    "SELECT key FROM tombstones WHERE not_before < clock_timestamp() ORDER BY not_before LIMIT :limit"
)
_FORGET_TOMBSTONES = sa.text("DELETE FROM tombstones WHERE key = ANY (:keys)").bindparams(
    sa.bindparam("keys", type_=pg.ARRAY(sa.Text()))
)
_PURGEABLE = sa.text(
    f"""(SELECT id FROM jobs WHERE deleted_at IS NOT NULL AND NOT {_OPEN} ORDER BY deleted_at LIMIT :limit)
    UNION (SELECT id FROM jobs WHERE purged_at IS NULL AND results_expire_at < clock_timestamp()
        ORDER BY results_expire_at LIMIT :limit)"""
)
_PURGE_ITEMS = sa.text(
    """DELETE FROM items WHERE job_id = :id AND seq IN (
        SELECT seq FROM items WHERE job_id = :id ORDER BY seq LIMIT :batch)"""
)
_LOCK_INPUTS = sa.text(
    """SELECT i.id FROM inputs i JOIN job_inputs ji ON ji.input_id = i.id
    WHERE ji.job_id = :id ORDER BY i.id FOR UPDATE OF i"""
)
_OWN_INPUTS = sa.text("SELECT DISTINCT input_id FROM job_inputs WHERE job_id = :id")
_BURY_MANIFEST = sa.text(
    """INSERT INTO tombstones (key) SELECT storage_key FROM manifests
    WHERE job_id = :id AND storage_key IS NOT NULL ON CONFLICT DO NOTHING"""
)
_BURY_VIEWS = sa.text(
    """UPDATE tombstones SET not_before = clock_timestamp() WHERE not_before > clock_timestamp()
        AND starts_with(key, 'views/' || replace(CAST(CAST(:id AS uuid) AS text), '-', '') || '/')"""
)
_PURGE_REST = [
    sa.text(f"DELETE FROM {table} WHERE job_id = :id")
    for table in ("chunks", "reviews", "manifests", "job_inputs", "idempotency_keys", "webhook_deliveries")
]
_COLLECT = sa.text(
    """UPDATE inputs i SET state = 'collecting' WHERE i.id = ANY (:ids)
        AND NOT EXISTS (SELECT FROM job_inputs ji WHERE ji.input_id = i.id)"""
).bindparams(_uuids)
_PURGED = sa.text("UPDATE jobs SET purged_at = clock_timestamp() WHERE id = :id AND purged_at IS NULL")
_REMOVE_DELETED = sa.text("DELETE FROM jobs WHERE id = :id AND (deleted_at IS NOT NULL OR kind = 'predict')")
_FORGET_KEYS = sa.text("DELETE FROM idempotency_keys WHERE expires_at < clock_timestamp()")
_END_STUCK = sa.text(
    """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = 'inkqueue-worker' AND datname = current_database() AND pid <> pg_backend_pid()
        AND xact_start < clock_timestamp() - :older * interval '1 second'"""
)
_SNAPSHOTS = sa.text(
    """SELECT pid, application_name, state, extract(epoch FROM clock_timestamp() - xact_start)::int AS age_s
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_xmin IS NOT NULL AND xact_start < clock_timestamp() - :older * interval '1 second'"""
)
