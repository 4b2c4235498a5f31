"""Stop a job: by cancel or deadline. Fence out its chunks, write the items that were left, batch by batch."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.blobs import Blobs
from shared.contracts import ItemRow, JobEnd
from shared.db import Database
from shared.errors import BlobMissing, Internal
from shared.jobs import registry
from shared.jobs.commit import copy_items
from shared.jobs.counts import Tally, add_counts
from shared.logs import get_logger
from shared.manifest import ManifestSlice, Outcome, read_slice
from shared.sources import ByteSource, BytesSource
from shared.status import ItemStatus, StopReason

BATCH = 2000
log = get_logger(__name__)


def request_stop(db: Database, job_id: UUID, reason: StopReason) -> bool:
    """Note that this job shall end; idempotent. False when it has ended or is already being stopped.

    Touches the job's row alone (the lock order). Chunks are fenced out by `finish_stop`, which anyone may repeat.
    """
    values = {"id": job_id, "reason": str(reason)}
    return db.run(lambda connection: connection.execute(_STOP, values).rowcount == 1)


def finish_stop(db: Database, blobs: Blobs, job_id: UUID, *, results_ttl_s: float, budget_items: int) -> bool:
    """Write up to `budget_items` of the stopped items; True when none is left.

    Safe to run twice at once: each batch fences on the chunk's first open item, so a batch is written once.
    """
    values = {"id": job_id}
    reason = db.run(lambda connection: connection.execute(_REASON, values).scalar_one_or_none())
    if reason is None:
        return True
    db.run(lambda connection: connection.execute(_FENCE_OUT, values))
    # only now: an expansion that committed before the fence has put another manifest in place
    job = db.run(lambda connection: connection.execute(_MANIFEST, values).one())
    left = ItemStatus.CANCELED if reason == StopReason.CANCEL else ItemStatus.EXPIRED
    written = 0
    while written < budget_items:
        with db.transaction() as connection:
            chunk = connection.execute(_NEXT_STOPPED, {"id": job_id}).one_or_none()
        if chunk is None:
            return True
        end = min(chunk.end_seq, chunk.first_seq + BATCH)
        rows = _left_rows(blobs, job, chunk.first_seq, end, left)
        if _write(db, job_id, chunk.id, chunk.first_seq, end, rows, results_ttl_s):
            for status, number in Counter(str(row.status) for row in rows).items():
                registry.count(db, f'inkqueue_items_total{{status="{status}"}}', number)
        written += len(rows)
    return False


def manifest_source(blobs: Blobs, inline: bytes | None, storage_key: str | None) -> ByteSource:
    """Return random access to a manifest, wherever it is kept."""
    if inline is not None:
        return BytesSource(bytes(inline))
    if storage_key is None:
        raise ValueError("a manifest is in its row or in the storage")
    return blobs.source(storage_key)


def unread_rows(part: ManifestSlice, status: ItemStatus) -> list[ItemRow]:
    """Make the rows of items that nobody will read: skipped by name, or ended as `status`."""
    return [
        ItemRow(
            seq=part.first_seq + i,
            status=ItemStatus.SKIPPED if record["outcome"] == Outcome.SKIPPED else status,
            name=part.name(i),
            custom_id=part.custom_id(i),
            page=max(1, int(record["page"])),
        )
        for i, record in enumerate(part.records)
    ]


def _left_rows(
    blobs: Blobs, manifest: sa.Row[Any], first: int, end: int, status: ItemStatus
) -> list[ItemRow]:
    """Make the rows of one batch; a manifest that is gone or broken costs the names, not the job's end."""
    try:
        source = manifest_source(blobs, manifest.inline, manifest.storage_key)
        return unread_rows(read_slice(source, first, end), status)
    except (BlobMissing, Internal) as error:
        log.error("manifest_unreadable", reason=error.detail)
        return [ItemRow(seq, status, nameless(seq), None, 1) for seq in range(first, end)]


def nameless(seq: int) -> str:
    """Return what stands for a name that cannot be told any more."""
    return f"item-{seq + 1}"


def _write(
    db: Database, job_id: UUID, chunk_id: int, first: int, end: int, rows: list[ItemRow], results_ttl_s: float
) -> list[JobEnd]:
    """Write one batch behind its fence."""

    def work(connection: sa.Connection) -> list[JobEnd]:
        fence = {"id": chunk_id, "first": first, "reached": end}
        if connection.execute(_ADVANCE, fence).rowcount != 1:
            return []
        copy_items(connection, [(job_id, rows)])
        tally = Tally()
        tally.add(rows)
        return add_counts(connection, {job_id: tally}, results_ttl_s)

    return db.run(work)


_STOP = sa.text(
    """UPDATE jobs SET stop_reason = :reason,
        status = CASE WHEN :reason = 'cancel' THEN 'canceling' ELSE status END
    WHERE id = :id AND status IN ('validating', 'queued', 'running') AND stop_reason IS DISTINCT FROM 'cancel'
        AND (stop_reason IS NULL OR :reason = 'cancel')"""
)
_REASON = sa.text(
    """SELECT stop_reason FROM jobs WHERE id = :id AND stop_reason IS NOT NULL
        AND status IN ('validating', 'queued', 'running', 'canceling')"""
)
_MANIFEST = sa.text("SELECT inline, storage_key FROM manifests WHERE job_id = :id")
_FENCE_OUT = sa.text(
    """WITH open AS MATERIALIZED (
        SELECT id FROM chunks WHERE job_id = :id AND state IN ('pending', 'leased') ORDER BY id FOR UPDATE)
    UPDATE chunks k SET state = 'stopped', token = NULL, lease_until = NULL, worker = NULL,
        position = k.first_seq FROM open WHERE k.id = open.id"""
)
_NEXT_STOPPED = sa.text(
    """SELECT id, first_seq, end_seq FROM chunks WHERE job_id = :id AND state = 'stopped'
    ORDER BY first_seq LIMIT 1"""
)
_ADVANCE = sa.text(
    """UPDATE chunks SET state = CASE WHEN :reached = end_seq THEN 'done' ELSE state END,
        first_seq = CASE WHEN :reached = end_seq THEN first_seq ELSE :reached END, position = :reached
    WHERE id = :id AND state = 'stopped' AND first_seq = :first"""
)
