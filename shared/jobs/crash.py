"""What happens to a chunk whose worker was lost: back into the line, cut around the place where it happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from shared.db import Database
from shared.jobs.fairness import HEAD_TURN

_MOST = 1000  # a verdict has long been spoken


def expire_leases(db: Database, *, lease_s: float, grace_s: float | None = None, limit: int = 100) -> int:
    """Take chunks back whose lease has run out (or ends further away than two leases, after a clock jump).

    Several stewards share the work (`SKIP LOCKED`). Returns how many chunks came back. None does within a lease of
    Postgres' own start: workers that could not reach it must not pay for its outage.
    """

    def work(connection: sa.Connection) -> int:
        values = {"lease": lease_s, "grace": lease_s if grace_s is None else grace_s, "limit": limit}
        rows = connection.execute(_EXPIRED, values).all()
        for row in rows:
            _give_back(connection, row)
        return len(rows)

    return db.run(work)


def lease_holders(db: Database, worker_prefix: str) -> list[str]:
    """Return the workers with such names that hold chunks."""
    with db.transaction() as connection:
        return list(connection.execute(_HOLDERS, {"prefix": worker_prefix}).scalars())


def child_lost(db: Database, worker: str) -> int:
    """Take back at once what a dead worker process held; its parent knows that it is dead."""

    def work(connection: sa.Connection) -> int:
        rows = connection.execute(_OF_WORKER, {"worker": worker}).all()
        for row in rows:
            _give_back(connection, row)
        return len(rows)

    return db.run(work)


def pieces(first: int, end: int, position: int, crashes: int) -> list[tuple[int, int, int]]:
    """Cut a crashed chunk into `(first, end, crashes)` ranges.

    After its first crash the position is only a lower bound, so all from there on is suspect and will be worked on
    item by item. In such a careful run the position is the very item, so that one alone stays suspect.
    """
    if end - first == 1:
        return [(first, end, min(crashes + 1, _MOST))]
    position = min(position, end - 1)
    if crashes == 0:
        cut = [(first, position, 0), (position, end, 1)]
    else:
        cut = [(first, position, 0), (position, position + 1, 1), (position + 1, end, 0)]
    return [(a, b, c) for a, b, c in cut if b > a]


def _give_back(connection: sa.Connection, row: sa.Row[Any]) -> None:
    """Put one lost chunk back into the line, in pieces."""
    if row.kind == "expand":
        cut: Sequence[tuple[int, int, int]] = [(row.first_seq, row.end_seq, min(row.crashes + 1, _MOST))]
    else:
        cut = pieces(row.first_seq, row.end_seq, row.position, row.crashes)
    first, *others = cut
    for a, b, crashes in others:
        connection.execute(_PIECE, {"id": row.id, "first": a, "end": b, "crashes": crashes})
    connection.execute(_RETURN, {"id": row.id, "first": first[0], "end": first[1], "crashes": first[2]})


_EXPIRED = sa.text(
    """SELECT id, kind, first_seq, end_seq, position, crashes FROM chunks
    WHERE state = 'leased' AND (lease_until < clock_timestamp()
            OR lease_until > clock_timestamp() + 2 * :lease * interval '1 second')
        AND clock_timestamp() > pg_postmaster_start_time() + :grace * interval '1 second'
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED"""
)
_OF_WORKER = sa.text(
    """SELECT id, kind, first_seq, end_seq, position, crashes FROM chunks
    WHERE state = 'leased' AND worker = :worker ORDER BY id FOR UPDATE SKIP LOCKED"""
)
_HOLDERS = sa.text(
    "SELECT DISTINCT worker FROM chunks WHERE state = 'leased' AND starts_with(worker, :prefix)"
)
_RETURN = sa.text(
    f"""UPDATE chunks k SET state = 'pending', token = NULL, worker = NULL, lease_until = NULL, claimed_at = NULL,
        first_seq = :first, end_seq = :end, position = :first, crashes = :crashes,
        turn = coalesce(least(k.turn, {HEAD_TURN}), k.turn)
    WHERE k.id = :id"""
)
_PIECE = sa.text(
    f"""INSERT INTO chunks (job_id, tenant, lane, priority, turn, kind, model, first_seq, end_seq, position,
        attempt, crashes)
    SELECT k.job_id, k.tenant, k.lane, k.priority, coalesce(least(k.turn, {HEAD_TURN}), k.turn), k.kind, k.model,
        :first, :end, :first, k.attempt, :crashes
    FROM chunks k WHERE k.id = :id"""
)
