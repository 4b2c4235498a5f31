"""From leased chunks to complete rows: read ahead, decode, prepare, infer in batches."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.blobs import Blobs
from shared.contracts import Finished, ItemRow, JobSpec
from shared.db import Database
from shared.errors import BlobMissing, ItemError, ModelError, UndecodableImage
from shared.jobs import claim as claims_of
from shared.jobs.stop import manifest_source
from shared.logs import get_logger
from shared.manifest import ManifestSlice, read_slice
from shared.members import read_members
from shared.settings import Settings
from shared.status import Decision, ItemStatus
from shared.vision import Prepared, decode, prepare
from worker.engines import classify
from worker.heartbeat import Held
from worker.metrics import Metrics
from worker.models import Loaded
from worker.readahead import ahead
from worker.sources import job_sources

log = get_logger(__name__)
MANY_LABELS = 20
UPLOAD_GONE = "The stored upload is not there any more."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one chunk: rows from its start; all of them when `complete`; worthless when `lost`."""

    finished: Finished
    complete: bool
    lost: bool


class Part:
    """One chunk in work: its slice of the manifest, where its bytes are, and the rows so far."""

    def __init__(self, held: Held, spec: JobSpec, blobs: Blobs) -> None:
        self.held, self.spec = held, spec
        source = manifest_source(blobs, spec.manifest_inline, spec.manifest_key)
        self.slice: ManifestSlice = read_slice(source, held.claim.first_seq, held.claim.end_seq)
        self.sources = job_sources(blobs, spec)
        self.is_inline = all(ref.inline is not None for ref in spec.inputs)
        self.rows: list[ItemRow | None] = [None] * (held.claim.end_seq - held.claim.first_seq)
        self._prefix = 0

    def put(self, index: int, row: ItemRow) -> None:
        """Set one row and move the position over all that is complete from the start."""
        self.rows[index] = row
        while self._prefix < len(self.rows) and self.rows[self._prefix] is not None:
            self._prefix += 1
        self.held.position = self.held.claim.first_seq + self._prefix

    def prefix(self) -> list[ItemRow]:
        """Return the rows that are complete from the start."""
        return [row for row in self.rows[: self._prefix] if row is not None]

    def failed(
        self, index: int, error: ItemError, width: int | None = None, height: int | None = None
    ) -> ItemRow:
        """Make the row of an item that could not be read."""
        return self._row(index, ItemStatus.FAILED, error, width, height)

    def skipped(self, index: int) -> ItemRow:
        """Make the row of an item that nobody tries to read."""
        return self._row(index, ItemStatus.SKIPPED, None, None, None)

    def _row(
        self, index: int, status: ItemStatus, error: ItemError | None, width: int | None, height: int | None
    ) -> ItemRow:
        return ItemRow(
            seq=self.slice.first_seq + index,
            status=status,
            name=self.slice.name(index),
            custom_id=self.slice.custom_id(index),
            page=self.page(index) or 1,
            error_code=error.code if error else None,
            error_detail=error.detail if error else None,
            width=width,
            height=height,
        )

    def page(self, index: int) -> int:
        """Return the page of a multi-page file, from 1; 0 for a file of one picture."""
        return int(self.slice.records[index]["page"])


class Waiting(NamedTuple):
    """An item that waits for its batch."""

    part: Part
    at: int
    prepared: Prepared
    width: int
    height: int


class Pipeline:
    """Runs chunks of one model."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        blobs: Blobs,
        loaded: Loaded,
        metrics: Metrics,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._settings, self._db, self._blobs = settings, db, blobs
        self._loaded, self._metrics, self._is_stopping = loaded, metrics, is_stopping
        self._preparation = loaded.package.card["preparation"]
        self._over = time.monotonic() + settings.chunk_budget_s
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
        """Work item by item and write down each position first: the next crash names its item."""
        claim = part.held.claim
        for index in range(len(part.rows)):
            part.held.position = claim.first_seq + index
            claims_of.heartbeat(
                self._db,
                [claim],
                [part.held.position],
                lease_s=self._settings.lease_s,
                limit_s=self._settings.chunk_limit_s,
            )
            if self._must_stop(part):
                return
            if claim.end_seq - claim.first_seq == 1 and claim.crashes >= self._settings.max_crashes:
                log.error("item_set_aside", seq=claim.first_seq, crashes=claim.crashes)
                part.put(index, part.failed(index, ModelError()))
                continue
            waiting: list[Waiting] = []
            for data in self._one(part, index):
                self._take(part, index, data, waiting)
            self._infer(waiting)
            self._any = True

    def _one(self, part: Part, index: int) -> Iterator[bytes | ItemError | None]:
        """Read one file by itself."""
        try:
            for _, data in read_members(part.sources, part.slice[index : index + 1], self._settings):
                yield data
        except BlobMissing:
            self._blobs.probe()
            yield ModelError(UPLOAD_GONE)

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

    def _infer(self, waiting: Sequence[Waiting]) -> None:
        """Run one batch; if the network fails on it, each image by itself."""
        if not waiting:
            return
        began = time.monotonic()
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
        self._metrics.batch(len(waiting))
        self._loaded.took(len(waiting), time.monotonic() - began)

    def _read(self, waiting: Sequence[Waiting]) -> None:
        """Classify one batch and make its rows."""
        package = self._loaded.package
        labels = package.labels
        wishes = [w.part.spec.target_error for w in waiting]
        readings = classify(
            package,
            self._loaded.engine,
            [w.prepared for w in waiting],
            target_error=wishes[0] if len(set(wishes)) == 1 else wishes,
        )
        confidence = readings.confidence.astype(float).round(5).tolist()
        probabilities = readings.probabilities.astype(float).round(5).tolist()
        several = len(labels) > MANY_LABELS
        for n, w in enumerate(waiting):
            label = int(readings.prediction[n])
            part = w.part
            row = ItemRow(
                part.slice.first_seq + w.at,
                ItemStatus.SUCCEEDED,
                part.slice.name(w.at),
                part.slice.custom_id(w.at),
                part.page(w.at) or 1,
                labels[label] if label >= 0 else None,
                confidence[n] if label >= 0 else None,
                None if several else probabilities[n],
                top_labels(labels, probabilities[n]) if several else None,
                Decision.ACCEPT if readings.accept[n] else Decision.REVIEW,
                list(readings.reasons[n]),
                None,
                None,
                w.width,
                w.height,
            )
            part.put(w.at, row)

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


def top_labels(labels: Sequence[str], probabilities: Sequence[float], count: int = 5) -> str:
    """Return the best labels as JSON text, `[["label", p], …]`."""
    best = sorted(range(len(labels)), key=lambda n: -probabilities[n])[:count]
    return json.dumps([[labels[n], probabilities[n]] for n in best])
