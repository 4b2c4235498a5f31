"""Take in a job: input rows before the bytes, then one transaction that makes it all real."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.contracts import NewJob
from shared.db import Database
from shared.errors import Gone, IdempotencyKeyReused, QueueFull, StorageFull, Unavailable
from shared.jobs.arrivals import GivenUp, abandon, abandon_inputs, keep_object, reserve_object
from shared.jobs.binding import array_of
from shared.jobs.fairness import BASE_TURN
from shared.jobs.quotas import Admit, Amount, Quotas
from shared.status import JobStatus


@dataclass(frozen=True, slots=True)
class Submitted:
    """The job that a submission made, or the first one that its idempotency key made."""

    job_id: UUID
    replayed: bool


def submit_job(
    db: Database, job: NewJob, idempotency_ttl_s: float = 86400.0, quotas: Quotas | None = None
) -> Submitted:
    """Insert job, inputs, manifest and chunks in one transaction; when it returns, all of it is durable.

    Two at once with one idempotency key: the second waits for the first's commit, then gets that job, and its own
    inputs are collected.

    Raises:
        IdempotencyKeyReused: the key belongs to other files or options.
        Unavailable: the database is away, or the upload's rows were collected meanwhile.
        QueueFull, StorageFull: the tenant has as much as it may have; then nothing of the job was kept.
    """
    if quotas is not None:
        with quotas.admission(job.tenant, _amount(job)) as admit:
            return _submit(db, job, idempotency_ttl_s, admit)
    return _submit(db, job, idempotency_ttl_s, None)


def _submit(db: Database, job: NewJob, idempotency_ttl_s: float, admit: Admit | None) -> Submitted:
    """Run the transaction; clear away what its failure leaves without an owner."""

    def work(connection: sa.Connection) -> Submitted:
        job_id = None
        if job.idempotency_key is not None:
            job_id = connection.execute(sa.text("SELECT uuidv7()")).scalar_one()
            first = _take_key(connection, job, job_id, idempotency_ttl_s)
            if first is not None:
                uploaded = [i.id for i in job.inputs if i.id is not None]
                abandon(connection, uploaded)
                return Submitted(first, replayed=True)
        if admit is not None:
            admit(connection)
        _hold_shared(connection, job)
        return Submitted(_insert(connection, job, job_id), replayed=False)

    try:
        return db.run(work)
    except (QueueFull, StorageFull):
        if job.manifest.storage_key is not None:
            reserve_object(db, job.manifest.storage_key, 0.0)
        raise
    except GivenUp:
        abandon_inputs(db, [i.id for i in job.inputs if i.id is not None])
        if job.manifest.storage_key is not None:
            reserve_object(db, job.manifest.storage_key, 0.0)
        raise


def _amount(job: NewJob) -> Amount:
    """Return what a job takes of its tenant's quotas; a prediction's place is bounded by its lane, its bytes stay."""
    stored = sum(i.bytes for i in job.inputs)
    if job.kind == "predict":
        return Amount(stored_bytes=stored)
    return Amount(1, job.manifest.total, stored, job.manifest.total)


def find_key(db: Database, tenant: str, key: str, fingerprint: str) -> UUID | None:
    """Return the job of a key that was used before, if any.

    Raises:
        IdempotencyKeyReused: it belongs to other content.
    """
    with db.transaction() as connection:
        row = connection.execute(_FIND_KEY, {"tenant": tenant, "key": key}).one_or_none()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise IdempotencyKeyReused()
    job_id: UUID = row.job_id
    return job_id


def _take_key(connection: sa.Connection, job: NewJob, job_id: UUID, ttl_s: float) -> UUID | None:
    """Claim the key for this job, or return the job that has it."""
    values = {
        "tenant": job.tenant,
        "key": job.idempotency_key,
        "fingerprint": job.fingerprint,
        "job_id": job_id,
        "ttl": ttl_s,
    }
    if connection.execute(_TAKE_KEY, values).one_or_none() is not None:
        return None
    row = connection.execute(_FIND_KEY, {"tenant": job.tenant, "key": job.idempotency_key}).one_or_none()
    if row is None:
        raise Unavailable("The same Idempotency-Key was in use at this very moment. Please try again.")
    if row.fingerprint != job.fingerprint:
        raise IdempotencyKeyReused()
    first: UUID = row.job_id
    return first


def _hold_shared(connection: sa.Connection, job: NewJob) -> None:
    """Lock the inputs that a retry refers to, so that no purge of its parent takes them away."""
    wanted = set(job.shared_inputs)
    if wanted and connection.execute(_HOLD, {"ids": list(wanted)}).rowcount != len(wanted):
        raise Gone("The files of this job have expired and cannot be tried again.")


def _insert(connection: sa.Connection, job: NewJob, job_id: UUID | None) -> UUID:
    """Insert everything with one statement; the uploads' rows go from receiving to attached in it."""
    uploaded = [(n, i) for n, i in enumerate(job.inputs) if i.id is not None]
    inline = [(n, i, uuid4()) for n, i in enumerate(job.inputs) if i.id is None]
    ids = {n: i.id for n, i in uploaded} | {n: new for n, _, new in inline}
    ids |= {len(job.inputs) + k: shared for k, shared in enumerate(job.shared_inputs)}
    validating = job.manifest.state == "inputs"
    done = connection.execute(
        _SUBMIT,
        {
            "id": job_id,
            "tenant": job.tenant,
            "kind": job.kind,
            "name": job.name,
            "mode": job.mode,
            "status": str(JobStatus.VALIDATING if validating else JobStatus.QUEUED),
            "lane": str(job.lane),
            "priority": job.priority,
            "model_name": job.model_name,
            "model_version": job.model_version,
            "model_sha256": job.model_sha256,
            "template": job.template,
            "target_error": job.target_error,
            "total": job.manifest.total,
            "attempt": job.attempt,
            "parent_id": job.parent_id,
            "metadata": json.dumps(job.metadata),
            "webhook": json.dumps(job.webhook) if job.webhook else None,
            "traceparent": job.traceparent,
            "request_id": job.request_id,
            "deadline_s": job.deadline_s,
            "up_ids": [i.id for _, i in uploaded],
            "up_bytes": [i.bytes for _, i in uploaded],
            "up_sha": [i.sha256 for _, i in uploaded],
            "in_ids": [new for _, _, new in inline],
            "in_names": [i.name for _, i, _ in inline],
            "in_types": [i.content_type for _, i, _ in inline],
            "in_bytes": [i.bytes for _, i, _ in inline],
            "in_sha": [i.sha256 for _, i, _ in inline],
            "in_data": [i.inline for _, i, _ in inline],
            "ordinals": list(ids),
            "input_ids": list(ids.values()),
            "manifest_state": job.manifest.state,
            "manifest_inline": job.manifest.inline,
            "manifest_key": job.manifest.storage_key,
            "chunk_kind": "expand" if validating else "classify",
            "first": [first for first, _ in job.chunks],
            "end": [end for _, end in job.chunks],
        },
    ).one()
    if done.attached != len(uploaded):
        raise GivenUp()
    if job.manifest.storage_key is not None:
        keep_object(connection, job.manifest.storage_key)
    made: UUID = done.id
    return made


_HOLD = sa.text(
    "SELECT id FROM inputs WHERE id = ANY (:ids) AND state = 'attached' ORDER BY id FOR SHARE"
).bindparams(array_of("ids", pg.UUID()))
# a delete hides the job first and frees its key in a transaction of its own
_DELETED = "SELECT FROM jobs j WHERE j.id = k.job_id AND j.deleted_at IS NOT NULL"
_TAKE_KEY = sa.text(
    f"""INSERT INTO idempotency_keys AS k (tenant, key, fingerprint, job_id, expires_at)
    VALUES (:tenant, :key, :fingerprint, :job_id, clock_timestamp() + :ttl * interval '1 second')
    ON CONFLICT (tenant, key) DO UPDATE SET fingerprint = excluded.fingerprint, job_id = excluded.job_id,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE k.expires_at < clock_timestamp() OR EXISTS ({_DELETED}) RETURNING job_id"""
)
_FIND_KEY = sa.text(
    f"""SELECT job_id, fingerprint FROM idempotency_keys k
    WHERE tenant = :tenant AND key = :key AND expires_at > clock_timestamp() AND NOT EXISTS ({_DELETED})"""
)
_SUBMIT = sa.text(
    f"""WITH n AS MATERIALIZED (SELECT coalesce(:id, uuidv7()) AS id), j AS (
        INSERT INTO jobs (id, tenant, kind, name, mode, status, lane, priority, model_name, model_version,
            model_sha256, template, target_error, total, attempt, parent_id, metadata, webhook, traceparent,
            request_id, deadline_at)
        SELECT n.id, :tenant, :kind, :name, :mode, :status, :lane, :priority, :model_name, :model_version,
            :model_sha256, :template, CAST(:target_error AS double precision), :total, :attempt, :parent_id,
            CAST(:metadata AS jsonb), CAST(:webhook AS jsonb), :traceparent, :request_id,
            clock_timestamp() + CAST(:deadline_s AS double precision) * interval '1 second' FROM n
    ), up AS (
        UPDATE inputs i SET state = 'attached', bytes = u.bytes, sha256 = u.sha, touched_at = clock_timestamp()
        FROM unnest(:up_ids, :up_bytes, :up_sha) AS u (id, bytes, sha)
        WHERE i.id = u.id AND i.state = 'receiving' RETURNING i.id
    ), new AS (
        INSERT INTO inputs (id, tenant, state, name, content_type, bytes, sha256, inline)
        SELECT n.id, :tenant, 'attached', n.name, n.type, n.bytes, n.sha, n.data
        FROM unnest(:in_ids, :in_names, :in_types, :in_bytes, :in_sha, :in_data)
            AS n (id, name, type, bytes, sha, data)
    ), refs AS (
        INSERT INTO job_inputs (job_id, ordinal, input_id)
        SELECT n.id, r.ordinal, r.input_id FROM n, unnest(:ordinals, :input_ids) AS r (ordinal, input_id)
        WHERE r.input_id <> ALL (:up_ids) OR r.input_id IN (SELECT id FROM up) -- a forgotten row is told below
    ), manifest AS (
        INSERT INTO manifests (job_id, state, inline, storage_key)
        SELECT n.id, :manifest_state, :manifest_inline, :manifest_key FROM n
    ), base AS ({BASE_TURN}), cut AS (
        INSERT INTO chunks (job_id, tenant, lane, priority, turn, kind, model, first_seq, end_seq, position)
        SELECT n.id, :tenant, :lane, :priority, base.turn + c.k, :chunk_kind, :model_name, c.first, c.until, c.first
        FROM n, base, unnest(:first, :end) WITH ORDINALITY AS c (first, until, k)
    )
    SELECT n.id, (SELECT count(*) FROM up) AS attached FROM n"""
).bindparams(
    sa.bindparam("id", type_=pg.UUID()),
    sa.bindparam("parent_id", type_=pg.UUID()),
    sa.bindparam("manifest_inline", type_=sa.LargeBinary()),
    array_of("up_ids", pg.UUID()),
    array_of("up_bytes", sa.BigInteger()),
    array_of("up_sha", sa.Text()),
    array_of("in_ids", pg.UUID()),
    array_of("in_names", sa.Text()),
    array_of("in_types", sa.Text()),
    array_of("in_bytes", sa.BigInteger()),
    array_of("in_sha", sa.Text()),
    array_of("in_data", sa.LargeBinary()),
    array_of("ordinals", sa.Integer()),
    array_of("input_ids", pg.UUID()),
    array_of("first", sa.Integer()),
    array_of("end", sa.Integer()),
)
