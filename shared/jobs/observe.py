"""What the metrics ask of the rows: how much waits, since when, and what every process says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from shared.db import Database

MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Process:
    """One row of the table of processes, those that have fallen silent included until they are forgotten."""

    role: str
    lane: str | None
    host: str
    pid: int
    age_s: float
    gauges: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Line:
    """The open chunks of a lane in one state; `oldest_s` is the age of the first that may be claimed."""

    lane: str
    state: str
    chunks: int
    items: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Depths:
    """What waits elsewhere; deliveries and uploads are counted up to a hundred thousand."""

    jobs: Mapping[str, int]
    deliveries: int
    uploads: int
    database_bytes: int


def processes(db: Database) -> list[Process]:
    """Return every process that is not forgotten yet; its gauges are as old as its last sign of life."""
    with db.statement() as connection:
        return [Process(**row._mapping) for row in connection.execute(_PROCESSES)]


def lines(db: Database) -> list[Line]:
    """Return how long the lines of the lanes are; reads the open chunks alone."""
    with db.statement() as connection:
        return [Line(**row._mapping) for row in connection.execute(_LINES)]


def depths(db: Database) -> Depths:
    """Return how much else waits."""
    with db.statement() as connection:
        jobs = {row.status: row.n for row in connection.execute(_OPEN_JOBS)}
        rest = connection.execute(_REST, {"most": MOST_COUNTED}).one()
    return Depths(jobs, rest.deliveries, rest.uploads, rest.bytes)


_PROCESSES = sa.text(
    """SELECT role, lane, host, pid, gauges,
        extract(epoch FROM clock_timestamp() - heartbeat_at)::double precision AS age_s
    FROM workers ORDER BY role, id"""
)
_OF_STATE = """SELECT lane, state, count(*) AS chunks, sum(end_seq - first_seq) AS items,
        coalesce(extract(epoch FROM clock_timestamp() - min(created_at) FILTER (
            WHERE not_before IS NULL OR not_before <= clock_timestamp())), 0)::double precision AS oldest_s
    FROM chunks WHERE state = '{0}' GROUP BY lane, state"""
_LINES = sa.text(f"{_OF_STATE.format('pending')} UNION ALL {_OF_STATE.format('leased')}")
_OPEN_JOBS = sa.text(
    """SELECT status, count(*) AS n FROM jobs
    WHERE status IN ('validating', 'queued', 'running', 'canceling') GROUP BY status"""
)
_REST = sa.text(
    """SELECT (SELECT count(*) FROM (SELECT FROM webhook_deliveries WHERE state = 'pending' LIMIT :most) d)
            AS deliveries,
        (SELECT count(*) FROM (SELECT FROM inputs WHERE state = 'receiving' LIMIT :most) i) AS uploads,
        pg_database_size(current_database()) AS bytes"""
)
