"""Submit real files without the API: what `api.submission` does, in its shortest form."""

from __future__ import annotations

import hashlib
from uuid import UUID

from shared.archive import ArchiveLimits, read_directory
from shared.blobs import Blobs
from shared.contracts import NewInput, NewJob, NewManifest
from shared.db import Database
from shared.jobs.arrivals import begin_input
from shared.jobs.submit import submit_job
from shared.manifest import ManifestBuilder, cut_chunks
from shared.settings import Settings
from shared.sniff import Kind, sniff
from shared.sources import BytesSource
from shared.status import Lane


def submit_file(
    db: Database,
    blobs: Blobs,
    settings: Settings,
    name: str,
    data: bytes,
    *,
    lane: Lane = Lane.BULK,
    inline: bool = False,
    max_items: int = 1000,
    **more: object,
) -> UUID:
    """Store one file and submit it as a job; a zip's members become its items."""
    builder = ManifestBuilder()
    input_id = None
    if not inline:
        input_id, key = begin_input(db, "default", name, None)
        blobs.put(key, data)
    if sniff(data[:4096]) == Kind.ZIP:
        builder.extend_directory(0, read_directory(BytesSource(data), ArchiveLimits.of(settings)))
    else:
        builder.add_whole(0, name, len(data))
    records = builder.records()
    state = "inputs" if builder.may_have_pages() else "items"
    chunks = cut_chunks(records, max_items=max_items) if state == "items" else [(0, len(records))]
    upload = NewInput(
        name, None, len(data), hashlib.sha256(data).hexdigest(), id=input_id, inline=data if inline else None
    )
    job = NewJob(
        inputs=[upload],
        manifest=NewManifest(state, len(records), inline=builder.build()),
        chunks=chunks,
        lane=lane,
        model_name="digits",
        **more,  # type: ignore[arg-type]  # passed through to the dataclass, which knows its fields
    )
    return submit_job(db, job).job_id
