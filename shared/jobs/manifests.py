"""Where a job's manifest is kept: in its row while small, else as an object."""

from __future__ import annotations

from uuid import uuid4

from shared.blobs import Blobs
from shared.contracts import NewManifest
from shared.db import Database
from shared.jobs.arrivals import reserve_object

INLINE_BYTES = 32 * 1024


def store_manifest(db: Database, blobs: Blobs, data: bytes, total: int, state: str) -> NewManifest:
    """Keep a small manifest for the job's row, store a large one; reserved until the job refers to it."""
    if len(data) <= INLINE_BYTES:
        return NewManifest(state, total, inline=data)
    name = uuid4().hex
    key = f"manifests/{name[-2:]}/{name}"
    reserve_object(db, key)
    blobs.put(key, data)
    return NewManifest(state, total, storage_key=key)
