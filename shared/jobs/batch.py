"""Single images in batches: one statement claims all that wait, one commits them. What `predict` waits for."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.contracts import Claim, Finished, InputRef, ItemRow, JobSpec
from shared.db import Database
from shared.jobs.binding import array_of
from shared.jobs.claim import COLUMNS, LEASE, SERVED, SERVED_BINDS, Served, claim_values
from shared.jobs.commit import Committed
from shared.jobs.counts import APPLY, job_end
from shared.status import Lane

MOST_ROWS = 64
"""Above this many rows binary COPY is the faster way to write them."""


def claim_batch(
    db: Database, lane: Lane, served: Served, worker: str, *, lease_s: float, most: int
) -> tuple[list[Claim], dict[UUID, JobSpec]]:
    """Lease the head of the lane's line and the single healthy items behind it; return their jobs too.

    The promises are those of `claim`. A chunk that was lost before comes alone. The claim does not wait for the disk:
    if Postgres itself crashes before, the chunk is pending again and the worker's commit is fenced. Jobs of several
    inputs are left out of the second value.

    Args:
        most: how many chunks one claim may take together.
    """
    values = {**claim_values(lane, served, worker, lease_s), "rest": most - 1}
    rows = db.run(lambda connection: connection.execute(_CLAIM_MANY, values).all(), single=True)
    specs = {row.job_id: _spec(row) for row in rows if row.inputs == 1}
    return [Claim(*row[:10]) for row in rows], specs


def _spec(row: sa.Row[tuple[object, ...]]) -> JobSpec:
    """Read the job of a claimed chunk, whose only input is in the same row."""
    found = row._mapping
    return JobSpec(
        **{name: found[name] for name in _SPEC_FIELDS},
        id=found["job_id"],
        kind=found["job_kind"],
        inputs=(
            InputRef(
                found["input_id"],
                found["input_name"],
                found["input_bytes"],
                found["input_key"],
                found["input_inline"],
            ),
        ),
    )


def commit_batch(db: Database, finished: Sequence[Finished], *, results_ttl_s: float) -> Committed:
    """Write a few rows with one statement; the promises and the order of locks are those of `commit_finished`.

    All chunks were read by one model.
    """
    one = finished[0]
    values = {
        "ids": [f.claim.id for f in finished],
        "attempts": [f.claim.attempt for f in finished],
        "tokens": [f.claim.token for f in finished],
        "rows": orjson.dumps([_record(f.claim.id, row) for f in finished for row in f.rows]).decode(),
        "version": one.model_version,
        "sha256": one.model_sha256,
        "engine": one.engine_class,
        "preparation": one.preparation,
        "ttl": results_ttl_s,
    }
    rows = db.run(lambda connection: connection.execute(_COMMIT_FEW, values).all(), single=True)
    kept = set(rows[0].kept) if rows else set()
    return Committed([job_end(row) for row in rows], [f.claim for f in finished if f.claim.id not in kept])


def _record(chunk: int, row: ItemRow) -> dict[str, object]:
    """Lay one row out for `jsonb_to_recordset`."""
    return {
        "chunk": chunk,
        "seq": row.seq,
        "status": str(row.status),
        "name": row.name,
        "custom_id": row.custom_id,
        "page": row.page,
        "prediction": row.prediction,
        "confidence": row.confidence,
        "probabilities": row.probabilities,
        "alternatives": None if row.alternatives is None else orjson.Fragment(row.alternatives),
        "decision": None if row.decision is None else str(row.decision),
        "reasons": row.reasons,
        "error_code": row.error_code,
        "error_detail": row.error_detail,
        "width": row.width,
        "height": row.height,
    }


_SPEC_FIELDS = (
    "tenant",
    "mode",
    "total",
    "model_name",
    "model_version",
    "engine_class",
    "target_error",
    "manifest_state",
    "manifest_inline",
    "manifest_key",
    "traceparent",
    "request_id",
    "status",
)
_CLAIM_MANY = sa.text(
    f"""WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS is_set
    ), head AS MATERIALIZED (
        SELECT k.id, k.losses = 0 AND k.kind = 'classify' AND k.end_seq = k.first_seq + 1 AS single
        FROM chunks k JOIN jobs j ON j.id = k.job_id
        WHERE (SELECT is_set = 'off' FROM quick) AND k.lane = :lane AND k.state = 'pending' AND {SERVED}
        ORDER BY k.priority, k.turn, k.id LIMIT 1 FOR UPDATE OF k SKIP LOCKED
    ), more AS MATERIALIZED (
        SELECT k.id FROM chunks k JOIN jobs j ON j.id = k.job_id
        WHERE (SELECT single FROM head) AND k.lane = :lane AND k.state = 'pending' AND k.kind = 'classify'
            AND k.losses = 0 AND k.end_seq = k.first_seq + 1 AND k.id <> (SELECT id FROM head) AND {SERVED}
        ORDER BY k.priority, k.turn, k.id LIMIT :rest FOR UPDATE OF k SKIP LOCKED
    ), c AS (SELECT id FROM head UNION ALL SELECT id FROM more
    ), k AS ({LEASE} FROM c WHERE k.id = c.id RETURNING {COLUMNS})
    SELECT {COLUMNS}, j.tenant, j.kind AS job_kind, j.mode, j.total, j.model_name, j.model_version, j.engine_class,
        j.target_error, m.state AS manifest_state, m.inline AS manifest_inline, m.storage_key AS manifest_key,
        j.traceparent, j.request_id, j.status, i.id AS input_id, i.name AS input_name, i.bytes AS input_bytes,
        i.storage_key AS input_key, i.inline AS input_inline,
        (SELECT count(*) FROM job_inputs o WHERE o.job_id = k.job_id) AS inputs
    FROM k JOIN jobs j ON j.id = k.job_id JOIN manifests m ON m.job_id = k.job_id
        LEFT JOIN job_inputs ji ON ji.job_id = k.job_id AND ji.ordinal = 0 LEFT JOIN inputs i ON i.id = ji.input_id"""
).bindparams(*SERVED_BINDS)
_COMMIT_FEW = sa.text(
    f"""WITH held AS MATERIALIZED (
        SELECT k.id FROM chunks k
        JOIN unnest(:ids, :attempts, :tokens) AS h (id, attempt, token)
            ON k.id = h.id AND k.attempt = h.attempt AND k.token = h.token
        WHERE k.state = 'leased' ORDER BY k.id FOR UPDATE OF k
    ), closed AS (
        UPDATE chunks k SET state = 'done', token = NULL, lease_until = NULL, position = k.end_seq
        FROM held WHERE k.id = held.id RETURNING k.id, k.job_id, k.claimed_at
    ), r AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (chunk bigint, seq integer, status text, name text,
            custom_id text, page integer, prediction text, confidence real, probabilities real[], alternatives jsonb,
            decision text, reasons text[], error_code text, error_detail text, width integer, height integer)
    ), written AS (
        INSERT INTO items (job_id, seq, status, name, custom_id, page, prediction, confidence, probabilities,
            alternatives, decision, reasons, error_code, error_detail, width, height)
        SELECT c.job_id, r.seq, r.status, r.name, r.custom_id, r.page, r.prediction, r.confidence, r.probabilities,
            r.alternatives, r.decision, r.reasons, r.error_code, r.error_detail, r.width, r.height
        FROM closed c JOIN r ON r.chunk = c.id ORDER BY c.job_id, r.seq RETURNING job_id, status, decision
    ), t AS MATERIALIZED (
        SELECT w.job_id AS id, CAST(:version AS text) AS model_version, CAST(:sha256 AS text) AS sha256,
            CAST(:engine AS text) AS engine_class, CAST(:preparation AS text) AS preparation,
            (SELECT min(c.claimed_at) FROM closed c WHERE c.job_id = w.job_id) AS since,
            count(*) FILTER (WHERE w.status = 'succeeded')::integer AS succeeded,
            count(*) FILTER (WHERE w.status = 'failed')::integer AS failed,
            count(*) FILTER (WHERE w.status = 'skipped')::integer AS skipped,
            0 AS canceled, 0 AS expired,
            count(*) FILTER (WHERE w.decision = 'accept')::integer AS accepted,
            count(*) FILTER (WHERE w.decision = 'review')::integer AS review
        FROM written w GROUP BY w.job_id
    ), {APPLY}
    SELECT id, status, version, seconds, (SELECT array_agg(c.id) FROM closed c) AS kept FROM changed"""
).bindparams(
    array_of("ids", sa.BigInteger()), array_of("attempts", sa.Integer()), array_of("tokens", pg.UUID())
)
