"""What happens to a chunk whose worker was lost: back into the line, cut around the place where it happened.

A loss is no proof: hosts go, networks part, somebody kills a process. It only makes a chunk suspect, so that it comes
alone and in small steps, then item by item, in the end in a process of its own. What dies there, or under the eyes of a
parent that lives, is a crash, and crashes alone decide that an item is `model_error`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from shared.contracts import Claim
from shared.db import Database
from shared.jobs.fairness import HEAD_TURN
from shared.logs import get_logger

log = get_logger(__name__)
STEP = 32
_MOST = 1000  # a verdict has long been spoken


class Piece(NamedTuple):
    """A range of a lost chunk, and what is held against it."""

    first: int
    end: int
    losses: int = 0
    crashes: int = 0


def expire_leases(db: Database, *, lease_s: float, grace_s: float | None = None, limit: int = 100) -> int:
    """Take chunks back whose lease has run out (or ends further away than two leases, after a clock jump).

    Several stewards share the work (`SKIP LOCKED`). Returns how many chunks came back. None does within a lease of
    Postgres' own start: workers that could not reach it must not pay for its outage.
    """

    def work(connection: sa.Connection) -> Sequence[sa.Row[Any]]:
        values = {"lease": lease_s, "grace": lease_s if grace_s is None else grace_s, "limit": limit}
        rows = connection.execute(_EXPIRED, values).all()
        for row in rows:
            _give_back(connection, row, seen=False)
        return rows

    return _told(db.run(work), "lease_expired")


def lease_holders(db: Database, worker_prefix: str) -> list[str]:
    """Return the workers with such names that hold chunks."""
    with db.transaction() as connection:
        return list(connection.execute(_HOLDERS, {"prefix": worker_prefix}).scalars())


def child_lost(db: Database, worker: str) -> int:
    """Take back at once what a dead worker process held; its parent knows that it is dead."""

    def work(connection: sa.Connection) -> Sequence[sa.Row[Any]]:
        rows = connection.execute(_OF_WORKER, {"worker": worker}).all()
        for row in rows:
            _give_back(connection, row, seen=True)
        return rows

    return _told(db.run(work), "child_lost")


def _told(rows: Sequence[sa.Row[Any]], why: str) -> int:
    """Log each chunk that came back, so that its job can be followed; return how many did."""
    for row in rows:
        known = {"job": row.job_id, "chunk": row.id, "attempt": row.attempt, "lost_by": row.worker}
        log.warning("chunk_taken_back", why=why, **known)
    return len(rows)


def item_crashed(db: Database, claim: Claim) -> bool:
    """Note that the one item of this chunk has killed the process that read it apart; False when the lease was lost.

    The chunk rests for 1, 2, 4 … 30 seconds, so that a bad moment of the machine counts once and others come first.
    """
    values = {"id": claim.id, "token": claim.token}
    return db.run(lambda connection: connection.execute(_CRASHED, values).rowcount == 1)


def has_crashed(db: Database, job_id: UUID, seq: int) -> bool:
    """Tell whether an item ended as `model_error`: whoever touches it again may die of it."""
    with db.statement() as connection:
        return bool(connection.execute(_HAS_CRASHED, {"job": job_id, "seq": seq}).scalar_one())


def pieces(
    first: int, end: int, position: int, *, losses: int = 0, crashes: int = 0, seen: bool = True
) -> list[Piece]:
    """Cut a lost chunk.

    After its first loss the position is only a lower bound, so all from there on is suspect and will be worked on in
    careful steps. In such a run the position is that of the step, so only its items stay suspect; when a step is one
    item, that item alone.

    Args:
        seen: the parent lives and saw its child die. That is a crash of the item which the child had in hand alone;
            later ones count where the item is read apart, not here.
    """
    if end - first == 1:
        return [Piece(first, end, min(losses + 1, _MOST), crashes + (seen and losses == 1))]
    position = min(position, end - 1)
    if losses == 0:
        cut = [Piece(first, position), Piece(position, end, 1)]
    else:
        step = careful_step(end - first)
        until = min(position + step, end)
        suspect = Piece(position, until, 2, int(seen)) if step == 1 else Piece(position, until, 1)
        cut = [Piece(first, position), suspect, Piece(until, end)]
    return [piece for piece in cut if piece.end > piece.first]


def careful_step(length: int) -> int:
    """Return how many items of a suspect chunk are in hand at once: few of many, one of few."""
    return STEP if length > STEP else 1


def _give_back(connection: sa.Connection, row: sa.Row[Any], *, seen: bool) -> None:
    """Put one lost chunk back into the line, in pieces."""
    if row.kind == "expand":
        cut: Sequence[Piece] = [Piece(row.first_seq, row.end_seq, min(row.losses + 1, _MOST), row.crashes)]
    else:
        cut = pieces(
            row.first_seq, row.end_seq, row.position, losses=row.losses, crashes=row.crashes, seen=seen
        )
    first, *others = cut
    for piece in others:
        connection.execute(_PIECE, {"id": row.id, **piece._asdict()})
    connection.execute(_RETURN, {"id": row.id, **first._asdict()})


_LOST = "id, job_id, attempt, worker, kind, first_seq, end_seq, position, losses, crashes"
_EXPIRED = sa.text(
    f"""SELECT {_LOST} FROM chunks
    WHERE state = 'leased' AND (lease_until < clock_timestamp()
            OR lease_until > clock_timestamp() + 2 * :lease * interval '1 second')
        AND clock_timestamp() > pg_postmaster_start_time() + :grace * interval '1 second'
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED"""
)
_OF_WORKER = sa.text(
    f"SELECT {_LOST} FROM chunks WHERE state = 'leased' AND worker = :worker ORDER BY id FOR UPDATE SKIP LOCKED"
)
_HOLDERS = sa.text(
    "SELECT DISTINCT worker FROM chunks WHERE state = 'leased' AND starts_with(worker, :prefix)"
)
# what was lost alone comes back later each time: it may take its hosts down
_REST = """CASE WHEN :losses > 1 THEN
        clock_timestamp() + least(power(2, least(:losses - 2, 10)), 30) * interval '1 second' END"""
_RETURN = sa.text(
    f"""UPDATE chunks k SET state = 'pending', token = NULL, worker = NULL, lease_until = NULL, claimed_at = NULL,
        first_seq = :first, end_seq = :end, position = :first, losses = :losses, crashes = :crashes,
        not_before = {_REST}, turn = coalesce(least(k.turn, {HEAD_TURN}), k.turn)
    WHERE k.id = :id"""
)
_PIECE = sa.text(
    f"""INSERT INTO chunks (job_id, tenant, lane, priority, turn, kind, model, first_seq, end_seq, position,
        attempt, losses, crashes, not_before)
    SELECT k.job_id, k.tenant, k.lane, k.priority, coalesce(least(k.turn, {HEAD_TURN}), k.turn), k.kind, k.model,
        :first, :end, :first, k.attempt, :losses, :crashes, {_REST}
    FROM chunks k WHERE k.id = :id"""
)
_HAS_CRASHED = sa.text(
    """SELECT EXISTS (SELECT FROM items
    WHERE job_id = :job AND seq = :seq AND status = 'failed' AND error_code = 'model_error')"""
)
_CRASHED = sa.text(
    f"""UPDATE chunks k SET state = 'pending', token = NULL, worker = NULL, lease_until = NULL, claimed_at = NULL,
        position = k.first_seq, crashes = least(k.crashes + 1, {_MOST}),
        not_before = clock_timestamp() + least(power(2, least(k.crashes, 10)), 30) * interval '1 second',
        turn = coalesce(least(k.turn, {HEAD_TURN}), k.turn)
    WHERE k.id = :id AND k.token = :token AND k.state = 'leased'"""
)
