"""Count pages of a job's TIFFs and PDFs, write its final manifest, and cut it into chunks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from uuid import UUID

import numpy as np

from shared.blobs import Blobs
from shared.contracts import JobSpec, NewManifest
from shared.db import Database
from shared.errors import ITEM_ERRORS, BlobMissing, ItemError, UndecodableImage
from shared.jobs import claim as claims_of
from shared.jobs.commit import commit_expanded
from shared.jobs.stop import manifest_source
from shared.jobs.submit import reserve_object
from shared.logs import get_logger
from shared.manifest import MAY_HAVE_PAGES, ManifestSlice, Outcome, cut_chunks, expand, read_all
from shared.members import read_members
from shared.settings import Settings
from shared.sources import ByteSource
from shared.vision import count_pages
from worker.heartbeat import Held
from worker.page_counter import count_apart
from worker.sources import job_sources

log = get_logger(__name__)
Pages = dict[int, int | ItemError]
KEPT_S = 3600.0


def expand_job(
    db: Database,
    blobs: Blobs,
    settings: Settings,
    held: Held,
    spec: JobSpec,
    is_stopping: Callable[[], bool],
) -> bool:
    """Count the pages of one job; True when its items are known now.

    What does not fit into the chunk's budget is kept beside the uploads, the chunk goes back to the line, and the next
    worker goes on from there. False then, or when the lease was lost.
    """
    source = manifest_source(blobs, spec.manifest_inline, spec.manifest_key)
    whole = read_all(source)
    pages = _load(blobs, spec.id)
    over = time.monotonic() + settings.chunk_budget_s
    counter = _Counter(settings, apart=held.claim.alone)
    sources = job_sources(blobs, spec)
    for seq in _to_count(whole, pages):
        if held.lost:
            return False
        if is_stopping() or time.monotonic() > over:
            _keep(db, blobs, spec.id, pages)
            claims_of.hand_back(db, [held.claim])
            return False
        pages[seq] = counter.count(whole[seq : seq + 1], sources)
    final = expand(source, pages, max_items=settings.max_zip_members)
    return _commit(db, blobs, settings, held, spec, final)


class _Counter:
    """Counts pages of one file; apart from this process once the job has killed a worker."""

    def __init__(self, settings: Settings, *, apart: bool) -> None:
        self._settings, self._apart = settings, apart

    def count(self, one: ManifestSlice, sources: dict[int, ByteSource]) -> int | ItemError:
        """Return the pages of the only file of this slice, or why they cannot be told."""
        for _, data in read_members(sources, one, self._settings):
            if isinstance(data, ItemError):
                return data
            if data is None:
                return 1
            try:
                if self._apart:
                    return count_apart(data, max_pages=self._settings.max_pages)
                return count_pages(data, max_pages=self._settings.max_pages)
            except ItemError as error:
                return error
            except Exception:  # a decoder's bug on one file must not cost the job
                log.exception("page_count_broken", name=one.name(0))
                return UndecodableImage()
        return UndecodableImage()


def _to_count(whole: ManifestSlice, pages: Pages) -> list[int]:
    """Return the items whose pages are still to be counted."""
    records = whole.records
    open_ = (records["flags"] & MAY_HAVE_PAGES != 0) & (records["outcome"] == Outcome.OPEN)
    return [int(seq) for seq in np.flatnonzero(open_) if int(seq) not in pages]


def _commit(db: Database, blobs: Blobs, settings: Settings, held: Held, spec: JobSpec, final: bytes) -> bool:
    """Store the final manifest and cut the job."""
    whole = read_all(final)
    chunks = cut_chunks(
        whole.records,
        target_s=settings.chunk_target_s,
        max_items=settings.chunk_max_items,
        max_bytes=settings.chunk_max_bytes,
    )
    if len(final) <= settings.max_inline_bytes:
        manifest = NewManifest("items", len(whole), inline=final)
    else:
        key = f"manifests/{spec.id.hex}-{held.claim.token.hex}"
        reserve_object(db, key, KEPT_S)
        blobs.put(key, final)
        manifest = NewManifest("items", len(whole), storage_key=key)
    return commit_expanded(db, held.claim, manifest, chunks)


def _key(job_id: UUID) -> str:
    """Return where the counts of an unfinished expansion are kept."""
    return f"expansions/{job_id.hex}"


def _keep(db: Database, blobs: Blobs, job_id: UUID, pages: Pages) -> None:
    """Keep what has been counted; the steward removes it later."""
    reserve_object(db, _key(job_id), KEPT_S)
    told = {str(seq): [p.code, p.detail] if isinstance(p, ItemError) else p for seq, p in pages.items()}
    blobs.put(_key(job_id), json.dumps(told).encode())


def _load(blobs: Blobs, job_id: UUID) -> Pages:
    """Read what an earlier worker has counted."""
    try:
        told = json.loads(blobs.get(_key(job_id)))
    except BlobMissing:
        return {}
    return {int(seq): p if isinstance(p, int) else ITEM_ERRORS[p[0]](p[1]) for seq, p in told.items()}
