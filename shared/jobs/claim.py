"""Take work: the claim query, what a worker must know of the job, the heartbeat, and giving back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.contracts import Claim, InputRef, JobSpec
from shared.db import Database
from shared.jobs.fairness import HEAD_TURN
from shared.status import Lane


@dataclass(frozen=True, slots=True)
class Served:
    """What one worker process can serve: model names, and the engine class of each `name@version`."""

    names: Sequence[str]
    references: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pinned:
    """The model version and engine class that a job has been given for good."""

    job_id: UUID
    model_version: str
    engine_class: str
    status: str


def claim(db: Database, lane: Lane, served: Served, worker: str, *, lease_s: float) -> list[Claim]:
    """Lease the chunk at the head of the lane's line; the list has one claim or none.

    Committed at once. Two workers never get the same chunk (`FOR UPDATE SKIP LOCKED`), none waits for another's
    lock, and each claim has a token of its own.
    """
    values = claim_values(lane, served, worker, lease_s)
    return db.run(lambda connection: [Claim(*row) for row in connection.execute(_CLAIM, values)], single=True)


def claim_values(lane: Lane, served: Served, worker: str, lease_s: float) -> dict[str, object]:
    """Return what every claim query binds."""
    return {
        "lane": str(lane),
        "names": list(served.names),
        "references": [*served.references, *(f"{ref}/{known}" for ref, known in served.references.items())],
        "worker": worker,
        "lease": lease_s,
    }


def job_specs(db: Database, job_ids: Sequence[UUID]) -> dict[UUID, JobSpec]:
    """Read what a worker must know of these jobs."""
    with db.statement() as connection:
        rows = connection.execute(_SPECS, {"ids": list(job_ids)}).all()
        refs = connection.execute(_SPEC_INPUTS, {"ids": list(job_ids)}).all()
    inputs: dict[UUID, list[InputRef]] = {row.id: [] for row in rows}
    for ref in refs:
        inputs[ref.job_id].append(InputRef(ref.id, ref.name, ref.bytes, ref.storage_key, ref.inline))
    return {row.id: JobSpec(**row._mapping, inputs=tuple(inputs[row.id])) for row in rows}


def start(
    db: Database, job_id: UUID, *, model_version: str, model_sha256: str, engine_class: str, preparation: str
) -> Pinned | None:
    """Mark a queued job as running and pin its model; later callers get the first one's pin.

    Touches the job's row and nothing else (the lock order). None when the job is gone.
    """

    def work(connection: sa.Connection) -> Pinned | None:
        connection.execute(
            _START,
            {
                "id": job_id,
                "version": model_version,
                "sha256": model_sha256,
                "engine_class": engine_class,
                "preparation": preparation,
            },
        )
        row = connection.execute(_PINNED, {"id": job_id}).one_or_none()
        return Pinned(*row) if row is not None else None

    return db.run(work)


def heartbeat(
    db: Database, claims: Sequence[Claim], positions: Sequence[int], *, lease_s: float, limit_s: float
) -> set[int]:
    """Prolong the leases and store how far each chunk has come; return the ids still held.

    Never prolongs past `claimed_at + limit_s`: a chunk that hangs goes back to the others.
    """

    def work(connection: sa.Connection) -> set[int]:
        rows = connection.execute(
            _HEARTBEAT,
            {
                "ids": [c.id for c in claims],
                "tokens": [c.token for c in claims],
                "positions": list(positions),
                "lease": lease_s,
                "limit": limit_s,
            },
        )
        return {row.id for row in rows}

    return db.run(work, single=True)


def hand_back(db: Database, claims: Sequence[Claim]) -> int:
    """Return chunks unharmed to the line, at the place where they stood, as if they had never been claimed."""

    def work(connection: sa.Connection) -> int:
        return connection.execute(
            _HAND_BACK, {"ids": [c.id for c in claims], "tokens": [c.token for c in claims]}
        ).rowcount

    return db.run(work)


def hand_back_failed(db: Database, claims: Sequence[Claim]) -> int:
    """Return chunks that could not be worked on; they rest for 1, 2, 4 … 30 seconds, so that others come first."""

    def work(connection: sa.Connection) -> int:
        return connection.execute(
            _HAND_BACK_FAILED, {"ids": [c.id for c in claims], "tokens": [c.token for c in claims]}
        ).rowcount

    return db.run(work)


def hand_back_resting(db: Database, claims: Sequence[Claim]) -> int:
    """Return chunks that an outage interrupted; they rest for 5 to 10 seconds, and nothing is held against them."""

    def work(connection: sa.Connection) -> int:
        return connection.execute(
            _HAND_BACK_RESTING, {"ids": [c.id for c in claims], "tokens": [c.token for c in claims]}
        ).rowcount

    return db.run(work)


def hand_back_all(db: Database, worker: str) -> int:
    """Return everything that a worker process holds, as if it had never been claimed; for a graceful stop."""

    def work(connection: sa.Connection) -> int:
        return connection.execute(_HAND_BACK_ALL, {"worker": worker}).rowcount

    return db.run(work)


COLUMNS = (
    "k.id, k.job_id, k.kind, k.first_seq, k.end_seq, k.attempt, k.token, k.crashes, k.failures, k.losses"
)
SERVED = """(k.not_before IS NULL OR k.not_before <= clock_timestamp())
        AND (k.kind = 'expand' OR (k.model = ANY (:names) AND (j.model_version IS NULL OR j.model_name || '@'
        || j.model_version || coalesce('/' || j.engine_class, '') = ANY (:references))))"""
LEASE = """UPDATE chunks k SET state = 'leased', attempt = k.attempt + 1, token = gen_random_uuid(),
        worker = :worker, claimed_at = clock_timestamp(), position = k.first_seq,
        lease_until = clock_timestamp() + :lease * interval '1 second'"""
SERVED_BINDS = [
    sa.bindparam("names", type_=pg.ARRAY(sa.Text())),
    sa.bindparam("references", type_=pg.ARRAY(sa.Text())),
]
_CLAIM = sa.text(
    f"""WITH c AS MATERIALIZED (
        SELECT k.id FROM chunks k JOIN jobs j ON j.id = k.job_id
        WHERE k.lane = :lane AND k.state = 'pending' AND {SERVED}
        ORDER BY k.priority, k.turn, k.id LIMIT 1 FOR UPDATE OF k SKIP LOCKED)
    {LEASE} FROM c WHERE k.id = c.id RETURNING {COLUMNS}"""
).bindparams(*SERVED_BINDS)
_SPECS = sa.text(
    """SELECT j.id, j.tenant, j.kind, j.mode, j.total, j.model_name, j.model_version, j.engine_class,
        j.target_error, m.state AS manifest_state, m.inline AS manifest_inline, m.storage_key AS manifest_key,
        j.traceparent, j.request_id, j.status
    FROM jobs j JOIN manifests m ON m.job_id = j.id WHERE j.id = ANY (:ids)"""
).bindparams(sa.bindparam("ids", type_=pg.ARRAY(pg.UUID())))
_SPEC_INPUTS = sa.text(
    """SELECT ji.job_id, i.id, i.name, i.bytes, i.storage_key, i.inline
    FROM job_inputs ji JOIN inputs i ON i.id = ji.input_id
    WHERE ji.job_id = ANY (:ids) ORDER BY ji.job_id, ji.ordinal"""
).bindparams(sa.bindparam("ids", type_=pg.ARRAY(pg.UUID())))
_START = sa.text(
    """UPDATE jobs SET status = CASE WHEN status = 'queued' THEN 'running' ELSE status END,
        started_at = coalesce(started_at, clock_timestamp()), model_version = coalesce(model_version, :version),
        model_sha256 = coalesce(model_sha256, :sha256), engine_class = coalesce(engine_class, :engine_class),
        preparation = coalesce(preparation, :preparation)
    WHERE id = :id AND (status = 'queued' OR engine_class IS NULL)
        AND status IN ('validating', 'queued', 'running', 'canceling')
        AND (model_version IS NULL OR model_version = :version)"""
)
_PINNED = sa.text("SELECT id, model_version, engine_class, status FROM jobs WHERE id = :id")
_HEARTBEAT = sa.text(
    """WITH held AS MATERIALIZED (
        SELECT k.id, h.position FROM chunks k
        JOIN unnest(:ids, :tokens, :positions) AS h (id, token, position) ON k.id = h.id AND k.token = h.token
        WHERE k.state = 'leased' ORDER BY k.id FOR UPDATE OF k)
    UPDATE chunks k SET position = least(greatest(k.position, held.position), k.end_seq),
        lease_until = least(clock_timestamp() + :lease * interval '1 second',
            k.claimed_at + :limit * interval '1 second')
    FROM held WHERE k.id = held.id RETURNING k.id"""
).bindparams(
    sa.bindparam("ids", type_=pg.ARRAY(sa.BigInteger())),
    sa.bindparam("tokens", type_=pg.ARRAY(pg.UUID())),
    sa.bindparam("positions", type_=pg.ARRAY(sa.Integer())),
)
_BACK = f"""UPDATE chunks k SET state = 'pending', token = NULL, worker = NULL, lease_until = NULL,
        claimed_at = NULL, position = k.first_seq, turn = coalesce(least(k.turn, {HEAD_TURN}), k.turn)"""
_UNHARMED = f"{_BACK}, attempt = k.attempt - 1"
_HAND_BACK = sa.text(
    f"""WITH held AS MATERIALIZED (
        SELECT k.id FROM chunks k JOIN unnest(:ids, :tokens) AS h (id, token) ON k.id = h.id AND k.token = h.token
        WHERE k.state = 'leased' ORDER BY k.id FOR UPDATE OF k)
    {_UNHARMED} FROM held WHERE k.id = held.id"""
).bindparams(
    sa.bindparam("ids", type_=pg.ARRAY(sa.BigInteger())), sa.bindparam("tokens", type_=pg.ARRAY(pg.UUID()))
)
_HAND_BACK_FAILED = sa.text(
    f"""WITH held AS MATERIALIZED (
        SELECT k.id FROM chunks k JOIN unnest(:ids, :tokens) AS h (id, token) ON k.id = h.id AND k.token = h.token
        WHERE k.state = 'leased' ORDER BY k.id FOR UPDATE OF k)
    {_BACK}, failures = least(k.failures + 1, 1000),
        not_before = clock_timestamp() + least(power(2, k.failures), 30) * interval '1 second'
    FROM held WHERE k.id = held.id"""
).bindparams(
    sa.bindparam("ids", type_=pg.ARRAY(sa.BigInteger())), sa.bindparam("tokens", type_=pg.ARRAY(pg.UUID()))
)
_HAND_BACK_RESTING = sa.text(
    f"""WITH held AS MATERIALIZED (
        SELECT k.id FROM chunks k JOIN unnest(:ids, :tokens) AS h (id, token) ON k.id = h.id AND k.token = h.token
        WHERE k.state = 'leased' ORDER BY k.id FOR UPDATE OF k)
    {_BACK}, not_before = clock_timestamp() + (5 + 5 * random()) * interval '1 second'
    FROM held WHERE k.id = held.id"""
).bindparams(
    sa.bindparam("ids", type_=pg.ARRAY(sa.BigInteger())), sa.bindparam("tokens", type_=pg.ARRAY(pg.UUID()))
)
_HAND_BACK_ALL = sa.text(
    f"""WITH held AS MATERIALIZED (
        SELECT id FROM chunks WHERE state = 'leased' AND worker = :worker ORDER BY id FOR UPDATE)
    {_UNHARMED} FROM held WHERE k.id = held.id"""
)
