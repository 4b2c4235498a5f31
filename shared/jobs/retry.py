"""Retry a job: a new one over the same inputs, of the items that failed, were canceled or expired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from shared.blobs import Blobs
from shared.contracts import NewJob, NewManifest
from shared.db import Database
from shared.errors import Gone, JobActive, NotFound, NothingToRetry
from shared.jobs.stop import manifest_source
from shared.jobs.submit import reserve_object, submit_job
from shared.manifest import ManifestSlice, cut_chunks, read_all, select
from shared.settings import Settings
from shared.status import Lane

INLINE_MANIFEST = 32 * 1024


@dataclass(frozen=True, slots=True)
class Retried:
    """The new job, and what to announce."""

    job_id: UUID
    lane: Lane
    chunks: int


def retry_job(db: Database, blobs: Blobs, settings: Settings, tenant: str, job_id: UUID) -> Retried:
    """Make a new job of what did not succeed in an ended one; durable when it returns.

    Not idempotent: each call makes a job. The inputs are locked against their purge while the new job begins to
    refer to them.

    Raises:
        NotFound: there is no such job.
        JobActive: it has not ended.
        NothingToRetry: every item succeeded or was skipped.
        Gone: its inputs have expired.
    """
    parent, seqs = _parent(db, tenant, job_id)
    data = select(manifest_source(blobs, parent.inline, parent.storage_key), seqs)
    part = read_all(data)
    manifest = _stored(db, blobs, data, len(part), parent.state)
    job = _new_job(parent, manifest, part, settings)
    return Retried(submit_job(db, job).job_id, job.lane, len(job.chunks))


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


def _stored(db: Database, blobs: Blobs, data: bytes, total: int, state: str) -> NewManifest:
    """Keep a small manifest for the row, store a large one."""
    if len(data) <= INLINE_MANIFEST:
        return NewManifest(state, total, inline=data)
    name = uuid4().hex
    key = f"manifests/{name[-2:]}/{name}"
    reserve_object(db, key)
    blobs.put(key, data)
    return NewManifest(state, total, storage_key=key)


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
