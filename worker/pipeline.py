"""From leased chunks to complete rows: read ahead, decode, prepare, infer in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from shared.blobs import Blobs
from shared.contracts import Finished, JobSpec
from shared.db import Database
from shared.errors import BlobMissing, ItemError, ModelError, UndecodableImage
from shared.jobs import claim as claims_of
from shared.jobs.crash import careful_step, item_crashed
from shared.logs import get_logger
from shared.members import read_members
from shared.settings import Settings
from shared.vision import decode, prepare
from worker.apart import Crashed, Request, Stopped, read_apart
from worker.board import Board
from worker.engines import classify
from worker.heartbeat import Held
from worker.metrics import Metrics
from worker.models import Loaded
from worker.parts import Outcome, Part, Waiting, say
from worker.readahead import ahead

log = get_logger(__name__)
HOPELESS = 20
"""Workers lost one after the other with one item alone in hand; no host is that unlucky, so the item is set aside."""
UPLOAD_GONE = "The stored upload is not there any more."


class Pipeline:
    """Runs chunks of one model.

    Args:
        limit_s: seconds that one image or one batch may take; the parent ends a worker that takes longer.
        budget_s: seconds after which the work is broken off, once something has been done.
    """

    def __init__(
        self,
        settings: Settings,
        db: Database,
        blobs: Blobs,
        loaded: Loaded,
        metrics: Metrics,
        is_stopping: Callable[[], bool],
        board: Board,
        *,
        limit_s: float,
        budget_s: float,
    ) -> None:
        self._board, self._limit_s = board, limit_s
        self._settings, self._db, self._blobs = settings, db, blobs
        self._loaded, self._metrics, self._is_stopping = loaded, metrics, is_stopping
        self._preparation = loaded.package.card["preparation"]
        self._over = time.monotonic() + budget_s
        self._any = False

    def run(self, held: Sequence[Held], specs: Sequence[JobSpec]) -> list[Outcome]:
        """Work on chunks until they are done, lost, or time is over."""
        parts = [Part(one, spec, self._blobs) for one, spec in zip(held, specs, strict=True)]
        if len(parts) == 1 and parts[0].held.claim.alone:
            self._carefully(parts[0])
        else:
            self._quickly(parts)
        return [self._outcome(part) for part in parts]

    def _quickly(self, parts: Sequence[Part]) -> None:
        """Fill batches across the parts; look at the clock and the lease before each item."""
        waiting: list[Waiting] = []
        size = self._loaded.batch_size(self._settings.batch_size)
        for part in parts:
            for index, data in self._bytes(part, waiting):
                if self._must_stop(part):
                    self._infer(waiting)
                    return
                self._take(part, index, data, waiting)
                self._any = True
                if len(waiting) >= size:
                    self._infer(waiting)
                    waiting.clear()
                    size = self._loaded.batch_size(self._settings.batch_size)
        self._infer(waiting)

    def _carefully(self, part: Part) -> None:
        """Work step by step and write down each position first: the next loss names its step."""
        claim, count = part.held.claim, len(part.rows)
        step = min(careful_step(count), self._loaded.batch_size(self._settings.batch_size))
        for start in range(0, count, step):
            if not self._holds(part, claim.first_seq + start):
                return
            if claim.apart and self._is_hopeless(part):
                return
            waiting: list[Waiting] = []
            for index, data in self._some(part, start, min(start + step, count)):
                if claim.apart and isinstance(data, bytes):
                    self._read_apart(part, data)
                else:
                    self._take(part, index, data, waiting)
            self._infer(waiting)
            self._any = True

    def _holds(self, part: Part, position: int) -> bool:
        """Write down the position; tell whether to go on."""
        claim, settings = part.held.claim, self._settings
        part.held.position = position
        alive = claims_of.heartbeat(
            self._db, [claim], [position], lease_s=settings.lease_s, limit_s=settings.chunk_limit_s
        )
        part.held.lost = part.held.lost or claim.id not in alive
        return not self._must_stop(part)

    def _read_apart(self, part: Part, data: bytes) -> None:
        """Read the only item of a suspect chunk in a process of its own; after enough crashes, set it aside."""
        claim, settings = part.held.claim, self._settings
        request = Request(self._loaded.package.ref, part.page(0), part.spec.target_error)
        unwanted = lambda: part.held.lost or self._is_stopping()  # noqa: E731
        try:
            answer = read_apart(data, request, settings, self._limit_s, unwanted)
        except Stopped:
            return
        except Crashed:
            if claim.crashes + 1 >= settings.max_crashes:
                self._set_aside(part)
            else:
                item_crashed(self._db, claim)
                part.held.lost = True
            return
        if answer.said is not None and answer.width is not None and answer.height is not None:
            part.put(0, part.succeeded(0, answer.said, answer.width, answer.height))
        else:
            error = answer.error or UndecodableImage()
            part.put(0, part.failed(0, error, answer.width, answer.height))

    def _is_hopeless(self, part: Part) -> bool:
        """Set an item aside at once that has crashed often enough."""
        claim = part.held.claim
        found = claim.crashes >= self._settings.max_crashes or claim.losses >= HOPELESS
        if found:
            self._set_aside(part)
        return found

    def _set_aside(self, part: Part) -> None:
        """End an item that has taken down whatever read it."""
        claim = part.held.claim
        log.error("item_set_aside", seq=claim.first_seq, crashes=claim.crashes, losses=claim.losses)
        part.put(0, part.failed(0, ModelError()))

    def _some(self, part: Part, start: int, end: int) -> Iterator[tuple[int, bytes | ItemError | None]]:
        """Read the files of one step; one whose upload is gone takes no other with it."""
        left = set(range(start, end))
        try:
            for at, data in read_members(part.sources, part.slice[start:end], self._settings):
                left.discard(start + at)
                yield start + at, data
        except BlobMissing:
            self._blobs.probe()
            if end - start == 1:
                yield start, ModelError(UPLOAD_GONE)
                return
            for index in sorted(left):
                yield from self._some(part, index, index + 1)

    def _bytes(
        self, part: Part, waiting: Sequence[Waiting]
    ) -> Iterator[tuple[int, bytes | ItemError | None]]:
        """Read the chunk's files, ahead of the decoder where they come from the storage.

        A stored upload that is gone fails its items; a storage that is gone does not.
        """
        members = read_members(part.sources, part.slice, self._settings)
        try:
            yield from members if part.is_inline else ahead(members, _weight)
        except BlobMissing:
            self._blobs.probe()
            log.error("upload_missing", chunk=part.held.claim.id)
            begun = {w.at for w in waiting if w.part is part}
            for index, row in enumerate(part.rows):
                if row is None and index not in begun:
                    part.put(index, part.failed(index, ModelError(UPLOAD_GONE)))

    def _must_stop(self, part: Part) -> bool:
        """Tell whether this chunk is not ours any more, or its time is over and something has been done."""
        return part.held.lost or self._is_stopping() or (self._any and time.monotonic() > self._over)

    def _take(self, part: Part, index: int, data: bytes | ItemError | None, waiting: list[Waiting]) -> None:
        """Decode and prepare one file; a bad one fails alone."""
        if data is None:
            part.put(index, part.skipped(index))
            return
        if isinstance(data, ItemError):
            part.put(index, part.failed(index, data))
            return
        self._board.step(self._limit_s)
        try:
            image = decode(data, page=part.page(index), max_pixels=self._settings.max_image_pixels)
            prepared = prepare(image.pixels, **self._preparation, shape=self._loaded.package.shape)
        except ItemError as error:
            part.put(index, part.failed(index, error))
        except Exception:  # a decoder's bug on one file must not cost the neighbours
            log.exception("decode_broken", seq=part.slice.first_seq + index)
            part.put(index, part.failed(index, UndecodableImage()))
        else:
            waiting.append(Waiting(part, index, prepared, image.width, image.height))
        finally:
            self._board.step_done()

    def _infer(self, waiting: Sequence[Waiting]) -> None:
        """Run one batch; if the network fails on it, each image by itself."""
        if not waiting:
            return
        began = time.monotonic()
        self._board.step(self._limit_s)
        try:
            with self._metrics.stage("infer"):
                self._read(waiting)
        except Exception:  # whatever an engine raises, only the image that causes it may fail
            if len(waiting) == 1:
                log.exception("infer_broken")
                one = waiting[0]
                error = ModelError("The model failed on this image.")
                one.part.put(one.at, one.part.failed(one.at, error, one.width, one.height))
                return
            for one in waiting:
                self._infer([one])
            return
        finally:
            self._board.step_done()
        self._metrics.batch(len(waiting))
        self._loaded.took(len(waiting), time.monotonic() - began)

    def _read(self, waiting: Sequence[Waiting]) -> None:
        """Classify one batch and make its rows."""
        package = self._loaded.package
        wishes = [w.part.spec.target_error for w in waiting]
        readings = classify(
            package,
            self._loaded.engine,
            [w.prepared for w in waiting],
            target_error=wishes[0] if len(set(wishes)) == 1 else wishes,
        )
        for w, said in zip(waiting, say(package.labels, readings), strict=True):
            w.part.put(w.at, w.part.succeeded(w.at, said, w.width, w.height))

    def _outcome(self, part: Part) -> Outcome:
        """Say how far a chunk has come."""
        rows = part.prefix()
        package = self._loaded.package
        finished = Finished(
            part.held.claim,
            rows,
            package.version,
            package.sha256,
            self._loaded.engine.engine_class,
            self._loaded.preparation,
        )
        return Outcome(finished, len(rows) == len(part.rows), part.held.lost)


def _weight(item: tuple[int, bytes | ItemError | None]) -> int:
    """Return the bytes that a read file holds in memory."""
    return len(item[1]) if isinstance(item[1], bytes) else 0
