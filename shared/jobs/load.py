"""What the lanes hold and who works on it: for people who ask when their work will be done."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.db import Database


@dataclass(frozen=True, slots=True)
class LaneLoad:
    """The unfinished images of a lane; `oldest_s` is how long the first that may be claimed has waited."""

    lane: str
    waiting: int
    in_work: int
    jobs: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class InHand:
    """A chunk that a worker has: which images of which job, and how far it has come."""

    worker: str
    job_id: UUID
    job_name: str | None
    first_seq: int
    end_seq: int
    position: int


def lane_loads(db: Database, tenant: str | None) -> list[LaneLoad]:
    """Return what the lanes hold of one tenant; of all for None. Reads the open chunks alone."""
    with db.statement() as connection:
        return [LaneLoad(**row._mapping) for row in connection.execute(_LOADS, {"tenant": tenant})]


def chunks_in_hand(db: Database, tenant: str) -> list[InHand]:
    """Return the chunks of a tenant that workers have now."""
    with db.statement() as connection:
        return [InHand(**row._mapping) for row in connection.execute(_IN_HAND, {"tenant": tenant})]


def busy_workers(db: Database) -> set[str]:
    """Return the ids of the workers that have a chunk, whoever's it is."""
    with db.statement() as connection:
        return {row.worker for row in connection.execute(_BUSY)}


_OF_STATE = """SELECT lane, job_id, end_seq - position AS items, state = 'leased' AS leased,
        CASE WHEN state = 'pending' AND (not_before IS NULL OR not_before <= clock_timestamp())
            THEN created_at END AS waits_since
    FROM chunks WHERE state = '{0}' AND (CAST(:tenant AS text) IS NULL OR tenant = :tenant)"""
_LOADS = sa.text(
    f"""SELECT lane,
        coalesce(sum(items) FILTER (WHERE NOT leased), 0)::bigint AS waiting,
        coalesce(sum(items) FILTER (WHERE leased), 0)::bigint AS in_work,
        count(DISTINCT job_id) AS jobs,
        coalesce(extract(epoch FROM clock_timestamp() - min(waits_since)), 0)::double precision AS oldest_s
    FROM ({_OF_STATE.format("pending")} UNION ALL {_OF_STATE.format("leased")}) open GROUP BY lane"""
)
_IN_HAND = sa.text(
    """SELECT c.worker, c.job_id, j.name AS job_name, c.first_seq, c.end_seq, c.position
    FROM chunks c JOIN jobs j ON j.id = c.job_id
    WHERE c.state = 'leased' AND c.tenant = :tenant AND j.tenant = :tenant ORDER BY c.id"""
)
_BUSY = sa.text("SELECT DISTINCT worker FROM chunks WHERE state = 'leased'")
