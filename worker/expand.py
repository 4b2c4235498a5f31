"""Count pages of a job's TIFFs and PDFs, write its final manifest, and cut it into chunks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from shared.blobs import Blobs
from shared.contracts import JobSpec, NewManifest
from shared.db import Database
from shared.errors import (
    ITEM_ERRORS,
    BlobMissing,
    ItemError,
    ModelError,
    StorageFull,
    TooManyPages,
    Unavailable,
    UndecodableImage,
)
from shared.jobs import claim as claims_of
from shared.jobs.arrivals import reserve_object
from shared.jobs.commit import commit_expanded
from shared.jobs.stop import manifest_source
from shared.logs import get_logger
from shared.manifest import MAY_HAVE_PAGES, ManifestSlice, Outcome, cut_chunks, expand, read_all
from shared.members import read_members
from shared.settings import Settings
from shared.sources import ByteSource
from shared.vision import count_pages
from worker.board import Board
from worker.heartbeat import Held
from worker.page_counter import TRIES, CountedTooLong, count_apart
from worker.pipeline import UPLOAD_GONE
from worker.sources import job_sources

log = get_logger(__name__)
Pages = dict[int, int | ItemError]
KEPT_S = 3600.0
KEEP_EVERY_S = 5.0
APART = 300
"""Files that are counted apart after a loss: more than one process counts between two keepings is not needed."""


@dataclass(slots=True)
class Known:
    """Pages counted so far, how many workers had been lost then, and how many files are still to be counted apart.

    `late` has the files whose counting took too long, and how often.
    """

    pages: Pages
    losses: int
    apart: int
    late: dict[int, int] = field(default_factory=dict)

    def may_try_again(self, seq: int) -> bool:
        """Note that counting one file took too long; tell whether it has tries left."""
        self.late[seq] = self.late.get(seq, 0) + 1
        return self.late[seq] < TRIES


def expand_job(
    db: Database,
    blobs: Blobs,
    settings: Settings,
    held: Held,
    spec: JobSpec,
    is_stopping: Callable[[], bool],
    board: Board,
    limit_s: float,
) -> bool:
    """Count the pages of one job; True when its items are known now.

    What does not fit into the chunk's budget is kept beside the uploads, the chunk goes back to the line, and the next
    worker goes on from there. So it does after a file that took too long: three tries do not fit into one lease. False
    then, or when the lease was lost.

    Args:
        limit_s: seconds that one file may take; the parent ends a worker that takes longer.
    """
    source = manifest_source(blobs, spec.manifest_inline, spec.manifest_key)
    whole = read_all(source)
    known = _load(blobs, spec.id, held.claim.losses)
    started = kept = time.monotonic()
    counter = _Counter(settings, blobs, board, limit_s)
    sources = job_sources(blobs, spec)
    for seq in _to_count(whole, known.pages):
        now = time.monotonic()
        over = now > started + settings.chunk_budget_s
        if held.lost:
            return False
        if over or is_stopping():
            _keep(db, blobs, spec.id, known)
            claims_of.hand_back(db, [held.claim])
            return False
        if now > kept + KEEP_EVERY_S:
            _keep(db, blobs, spec.id, known)
            kept = now
        found = counter.count(whole[seq : seq + 1], sources, apart=known.apart > 0)
        if isinstance(found, CountedTooLong) and known.may_try_again(seq):
            _keep(db, blobs, spec.id, known)
            claims_of.hand_back(db, [held.claim])
            return False
        known.pages[seq] = found
        known.apart = max(0, known.apart - 1)
    if spec.kind == "predict":
        _refuse_documents(known.pages)
    final = expand(source, known.pages, max_items=settings.max_zip_members)
    return _commit(db, blobs, settings, held, spec, final)


def _refuse_documents(pages: Pages) -> None:
    """Let a document of several pages fail at once where exactly one image is wanted: nobody waits for its pages."""
    for seq, found in pages.items():
        if isinstance(found, int) and found > 1:
            pages[seq] = TooManyPages(f"Exactly one image is read here; this document has {found} pages.")


class _Counter:
    """Counts pages of one file, in this process or apart from it."""

    def __init__(self, settings: Settings, blobs: Blobs, board: Board, limit_s: float) -> None:
        self._settings, self._blobs, self._board, self._limit_s = settings, blobs, board, limit_s

    def count(self, one: ManifestSlice, sources: dict[int, ByteSource], *, apart: bool) -> int | ItemError:
        """Return the pages of the only file of this slice, or why they cannot be told."""
        try:
            for _, data in read_members(sources, one, self._settings):
                if isinstance(data, ItemError):
                    return data
                if data is not None:
                    return self._apart(data) if apart else self._here(data)
        except ItemError as error:
            return error
        except BlobMissing:
            self._blobs.probe()
            return ModelError(UPLOAD_GONE)
        except (Unavailable, StorageFull):
            raise
        except Exception:  # a decoder's bug on one file must not cost the job
            log.exception("page_count_broken", name=one.name(0))
            return UndecodableImage()
        return 1

    def _here(self, data: bytes) -> int:
        """Count in this process, under the eyes of its parent."""
        self._board.step(self._limit_s)
        try:
            return count_pages(data, max_pages=self._settings.max_pages)
        finally:
            self._board.step_done()

    def _apart(self, data: bytes) -> int:
        """Count in another process."""
        return count_apart(
            data,
            max_pages=self._settings.max_pages,
            timeout_s=self._limit_s,
            memory_bytes=self._settings.chunk_memory_bytes,
        )


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


def _keep(db: Database, blobs: Blobs, job_id: UUID, known: Known) -> None:
    """Keep what has been counted; the steward removes it later."""
    reserve_object(db, _key(job_id), KEPT_S)
    pages = {str(n): [p.code, p.detail] if isinstance(p, ItemError) else p for n, p in known.pages.items()}
    told = {"pages": pages, "losses": known.losses, "apart": known.apart, "late": known.late}
    blobs.put(_key(job_id), json.dumps(told).encode())


def _load(blobs: Blobs, job_id: UUID, losses: int) -> Known:
    """Read what an earlier worker has counted; after a new loss the next files are counted apart."""
    try:
        told = {"losses": 0, **json.loads(blobs.get(_key(job_id)))}
    except BlobMissing:
        told = {"pages": {}, "losses": 0, "apart": 0}
    pages: Pages = {
        int(n): p if isinstance(p, int) else ITEM_ERRORS[p[0]](p[1]) for n, p in told["pages"].items()
    }
    late = {int(n): tries for n, tries in told.get("late", {}).items()}
    return Known(pages, losses, APART if losses > told["losses"] else told["apart"], late)
