"""Retry a job: a new one over the same inputs, of the items that failed, were canceled or expired."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.blobs import Blobs
from shared.contracts import NewJob, NewManifest
from shared.db import Database
from shared.errors import Gone, JobActive, NotFound, NothingToRetry
from shared.jobs.manifests import store_manifest
from shared.jobs.quotas import Quotas
from shared.jobs.stop import manifest_source
from shared.jobs.submit import submit_job
from shared.manifest import ManifestSlice, cut_chunks, read_all, select
from shared.settings import Settings
from shared.status import Lane


@dataclass(frozen=True, slots=True)
class Retried:
    """The new job, or the one that its idempotency key made before, and what to announce."""

    job_id: UUID
    lane: Lane
    chunks: int
    replayed: bool


def retry_job(
    db: Database,
    blobs: Blobs,
    settings: Settings,
    tenant: str,
    job_id: UUID,
    idempotency_key: str | None = None,
    quotas: Quotas | None = None,
) -> Retried:
    """Make a new job of what did not succeed in an ended one; durable when it returns.

    Each call makes a job, unless it brings the idempotency key of an earlier one. The inputs are locked against their
    purge while the new job begins to refer to them.

    Raises:
        NotFound: there is no such job.
        JobActive: it has not ended.
        NothingToRetry: every item succeeded or was skipped.
        Gone: its inputs have expired.
        IdempotencyKeyReused: the key belongs to something else.
        QueueFull: the tenant has as many jobs or waiting images as it may have.
    """
    parent, seqs = _parent(db, tenant, job_id)
    data = select(manifest_source(blobs, parent.inline, parent.storage_key), seqs)
    part = read_all(data)
    manifest = store_manifest(db, blobs, data, len(part), parent.state)
    job = replace(
        _new_job(parent, manifest, part, settings),
        idempotency_key=idempotency_key,
        fingerprint=f"retry:{job_id.hex}" if idempotency_key else None,
    )
    made = submit_job(db, job, settings.idempotency_ttl_s, quotas)
    return Retried(made.job_id, job.lane, len(job.chunks), made.replayed)


def _parent(db: Database, tenant: str, job_id: UUID) -> tuple[sa.Row[Any], list[int]]:
    """Read the old job and the numbers of the items to do again."""
    with db.transaction() as connection:
        parent = connection.execute(_PARENT, {"id": job_id, "tenant": tenant}).one_or_none()
        if parent is None:
            raise NotFound("There is no job with this id.")
        if parent.finished_at is None:
            raise JobActive()
        if parent.gone:
            raise Gone()
        seqs = list(connection.execute(_SEQS, {"id": job_id}).scalars())
    if not seqs:
        raise NothingToRetry()
    return parent, seqs


def _new_job(parent: sa.Row[Any], manifest: NewManifest, part: ManifestSlice, settings: Settings) -> NewJob:
    """Take the old job's options over."""
    pages_open = manifest.state == "inputs"
    chunks = (
        [(0, manifest.total)]
        if pages_open
        else cut_chunks(
            part.records,
            target_s=settings.chunk_target_s,
            max_items=settings.chunk_max_items,
            max_bytes=settings.chunk_max_bytes,
        )
    )
    return NewJob(
        inputs=(),
        shared_inputs=parent.inputs,
        manifest=manifest,
        chunks=chunks,
        lane=Lane.INTERACTIVE if manifest.total == 1 and not pages_open else Lane.BULK,
        model_name=parent.model_name,
        model_version=parent.model_version,
        model_sha256=parent.model_sha256,
        tenant=parent.tenant,
        name=parent.name,
        mode=parent.mode,
        template=parent.template,
        target_error=parent.target_error,
        priority=parent.priority,
        metadata=parent.metadata,
        webhook=parent.webhook,
        attempt=parent.attempt + 1,
        parent_id=parent.id,
    )


_PARENT = sa.text(
    """SELECT j.id, j.tenant, j.name, j.mode, j.template, j.target_error, j.priority, j.metadata, j.webhook, j.attempt,
        j.model_name, j.model_version, j.model_sha256, j.finished_at, m.state, m.inline, m.storage_key,
        ARRAY(SELECT ji.input_id FROM job_inputs ji WHERE ji.job_id = j.id ORDER BY ji.ordinal) AS inputs,
        (j.purged_at IS NOT NULL OR j.results_expire_at <= clock_timestamp()) IS TRUE AS gone
    FROM jobs j LEFT JOIN manifests m ON m.job_id = j.id
    WHERE j.id = :id AND j.tenant = :tenant AND j.deleted_at IS NULL"""
)
_SEQS = sa.text(
    """SELECT seq FROM items WHERE job_id = :id AND status IN ('failed', 'canceled', 'expired') ORDER BY seq"""
)
