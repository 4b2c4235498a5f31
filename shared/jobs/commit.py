"""Write results: the fence first, then the items, the job's counters last. Completion is decided here alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.contracts import Claim, Finished, ItemRow, JobEnd, NewManifest
from shared.db import Database, raw_cursor
from shared.jobs.arrivals import keep_object
from shared.jobs.binding import array_of
from shared.jobs.counts import Tally, add_counts
from shared.jobs.fairness import BASE_TURN


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a commit: which jobs changed, and which chunks had been lost to somebody else."""

    jobs: Sequence[JobEnd]
    lost: Sequence[Claim]


def commit_finished(db: Database, finished: Sequence[Finished], *, results_ttl_s: float) -> Committed:
    """Write complete chunks in one transaction.

    The fence is the first statement: a chunk whose lease was lost writes nothing and waits for nobody. Items go in
    by binary COPY, the job's counters last, so every writer locks chunks, items, jobs in this order.
    """

    def work(connection: sa.Connection) -> Committed:
        held = _fence(connection, [f.claim for f in finished])
        kept = [f for f in finished if f.claim.id in held]
        copy_items(connection, [(f.claim.job_id, f.rows) for f in kept])
        ends = add_counts(connection, _tallies(kept, held), results_ttl_s, kept)
        return Committed(ends, [f.claim for f in finished if f.claim.id not in held])

    return db.run(work)


def commit_prefix(db: Database, finished: Finished, *, results_ttl_s: float) -> Committed:
    """Write the finished first part of a chunk and return the rest of it to the line as a new chunk."""
    claim = finished.claim
    reached = claim.first_seq + len(finished.rows)

    def work(connection: sa.Connection) -> Committed:
        values = {"id": claim.id, "token": claim.token, "attempt": claim.attempt, "reached": reached}
        held = {row.id: row.claimed_at for row in connection.execute(_FENCE_PREFIX, values)}
        if not held:
            return Committed([], [claim])
        copy_items(connection, [(claim.job_id, finished.rows)])
        tallies = _tallies([finished], held)
        return Committed(add_counts(connection, tallies, results_ttl_s, [finished]), [])

    return db.run(work)


def commit_expanded(
    db: Database, claim: Claim, manifest: NewManifest, chunks: Sequence[tuple[int, int]]
) -> bool:
    """Put the final manifest in place of the counted one and cut the job; False when the lease was lost."""

    def work(connection: sa.Connection) -> bool:
        held = _fence(connection, [claim])
        if not held:
            return False
        row = connection.execute(_CHUNK_PLACE, {"id": claim.id}).one()
        connection.execute(
            _CUT,
            {
                "job_id": claim.job_id,
                "tenant": row.tenant,
                "lane": row.lane,
                "priority": row.priority,
                "model": row.model,
                "first": [first for first, _ in chunks],
                "end": [end for _, end in chunks],
            },
        )
        connection.execute(_BURY_MANIFEST, {"job_id": claim.job_id})
        connection.execute(
            _REPLACE_MANIFEST,
            {"job_id": claim.job_id, "inline": manifest.inline, "key": manifest.storage_key},
        )
        if manifest.storage_key is not None:
            keep_object(connection, manifest.storage_key)
        connection.execute(_QUEUED, {"job_id": claim.job_id, "total": manifest.total})
        return True

    return db.run(work)


def _tallies(finished: Sequence[Finished], claimed_at: dict[int, datetime]) -> dict[UUID, Tally]:
    """Add the chunks up, a tally a job."""
    tallies: dict[UUID, Tally] = {}
    for one in finished:
        tally = tallies.setdefault(one.claim.job_id, Tally(since=claimed_at[one.claim.id]))
        tally.add(one.rows)
    return tallies


def _fence(connection: sa.Connection, claims: Sequence[Claim]) -> dict[int, datetime]:
    """Close the chunks that are still ours and return when each was claimed; only their items may be written."""
    rows = connection.execute(
        _FENCE,
        {
            "ids": [c.id for c in claims],
            "attempts": [c.attempt for c in claims],
            "tokens": [c.token for c in claims],
        },
    )
    return {row.id: row.claimed_at for row in rows}


def copy_items(connection: sa.Connection, groups: Sequence[tuple[UUID, Sequence[ItemRow]]]) -> None:
    """Insert item rows by binary COPY; the buffer is complete before this is called."""
    if not any(rows for _, rows in groups):
        return
    with raw_cursor(connection) as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_COPY_TYPES)
        for record in _records(groups):
            copy.write_row(record)


def _records(groups: Sequence[tuple[UUID, Sequence[ItemRow]]]) -> Iterator[tuple[object, ...]]:
    """Lay the rows out as COPY wants them."""
    for job_id, rows in groups:
        for r in rows:
            yield (
                job_id,
                r.seq,
                str(r.status),
                r.name,
                r.custom_id,
                r.page,
                r.prediction,
                r.confidence,
                r.probabilities,
                r.alternatives,
                None if r.decision is None else str(r.decision),
                r.reasons,
                r.error_code,
                r.error_detail,
                r.width,
                r.height,
            )


_COPY = """COPY items (job_id, seq, status, name, custom_id, page, prediction, confidence, probabilities, alternatives,
    decision, reasons, error_code, error_detail, width, height) FROM STDIN (FORMAT BINARY)"""
_COPY_TYPES = [
    "uuid",
    "int4",
    "text",
    "text",
    "text",
    "int4",
    "text",
    "float4",
    "float4[]",
    "jsonb",
    "text",
    "text[]",
    "text",
    "text",
    "int4",
    "int4",
]


_FENCE = sa.text(
    """WITH held AS MATERIALIZED (
        SELECT k.id FROM chunks k
        JOIN unnest(:ids, :attempts, :tokens) AS h (id, attempt, token)
            ON k.id = h.id AND k.attempt = h.attempt AND k.token = h.token
        WHERE k.state = 'leased' ORDER BY k.id FOR UPDATE OF k)
    UPDATE chunks k SET state = 'done', token = NULL, lease_until = NULL, position = k.end_seq
    FROM held WHERE k.id = held.id RETURNING k.id, k.claimed_at"""
).bindparams(
    array_of("ids", sa.BigInteger()), array_of("attempts", sa.Integer()), array_of("tokens", pg.UUID())
)
_FENCE_PREFIX = sa.text(
    """WITH held AS MATERIALIZED (
        UPDATE chunks k SET state = 'done', token = NULL, lease_until = NULL, end_seq = :reached, position = :reached
        WHERE k.id = :id AND k.attempt = :attempt AND k.token = :token AND k.state = 'leased'
        RETURNING k.*, (SELECT o.end_seq FROM chunks o WHERE o.id = :id) AS whole_end)
    INSERT INTO chunks (job_id, tenant, lane, priority, turn, kind, model, first_seq, end_seq, position, losses)
    SELECT job_id, tenant, lane, priority, turn, kind, model, :reached, whole_end, :reached, losses
    FROM held RETURNING :id AS id, (SELECT claimed_at FROM held) AS claimed_at"""
)
_CHUNK_PLACE = sa.text("SELECT tenant, lane, priority, model FROM chunks WHERE id = :id")
_CUT = sa.text(
    f"""WITH base AS ({BASE_TURN})
    INSERT INTO chunks (job_id, tenant, lane, priority, turn, model, first_seq, end_seq, position)
    SELECT :job_id, :tenant, :lane, :priority, base.turn + c.k, :model, c.first, c.until, c.first
    FROM base, unnest(:first, :end) WITH ORDINALITY AS c (first, until, k)"""
).bindparams(array_of("first", sa.Integer()), array_of("end", sa.Integer()))
_BURY_MANIFEST = sa.text(
    """INSERT INTO tombstones (key) SELECT storage_key FROM manifests
    WHERE job_id = :job_id AND storage_key IS NOT NULL ON CONFLICT DO NOTHING"""
)
_REPLACE_MANIFEST = sa.text(
    "UPDATE manifests SET state = 'items', inline = :inline, storage_key = :key WHERE job_id = :job_id"
).bindparams(sa.bindparam("inline", type_=sa.LargeBinary()))
_QUEUED = sa.text(
    """UPDATE jobs SET total = :total, status = CASE WHEN status = 'validating' THEN 'queued' ELSE status END
    WHERE id = :job_id"""
)
