"""Chunks in work: their slice of the manifest, where their bytes are, and the rows so far."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.blobs import Blobs
from shared.contracts import Finished, ItemRow, JobSpec
from shared.errors import ItemError
from shared.jobs.stop import manifest_source
from shared.manifest import ManifestSlice, read_slice
from shared.status import Decision, ItemStatus
from shared.vision import Prepared
from shared.vision.readings import Readings
from worker.heartbeat import Held
from worker.sources import job_sources

MANY_LABELS = 20


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

    def succeeded(self, index: int, said: Said, width: int, height: int) -> ItemRow:
        """Make the row of an item that was read."""
        return ItemRow(
            self.slice.first_seq + index,
            ItemStatus.SUCCEEDED,
            self.slice.name(index),
            self.slice.custom_id(index),
            self.page(index) or 1,
            *said,
            None,
            None,
            width,
            height,
        )

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


class Said(NamedTuple):
    """What the network says of one picture, as it goes into an item's row."""

    prediction: str | None
    confidence: float | None
    probabilities: Sequence[float] | None
    alternatives: str | None
    decision: Decision
    reasons: Sequence[str]


def say(labels: Sequence[str], readings: Readings) -> list[Said]:
    """Turn the readings of a batch into what rows hold; many labels are cut to the best ones."""
    confidence = readings.confidence.astype(float).round(5).tolist()
    probabilities = readings.probabilities.astype(float).round(5).tolist()
    several = len(labels) > MANY_LABELS
    said = []
    for n, label in enumerate(readings.prediction.tolist()):
        said.append(
            Said(
                labels[label] if label >= 0 else None,
                confidence[n] if label >= 0 else None,
                None if several else probabilities[n],
                top_labels(labels, probabilities[n]) if several else None,
                Decision.ACCEPT if readings.accept[n] else Decision.REVIEW,
                list(readings.reasons[n]),
            )
        )
    return said


def top_labels(labels: Sequence[str], probabilities: Sequence[float], count: int = 5) -> str:
    """Return the best labels as JSON text, `[["label", p], …]`."""
    best = sorted(range(len(labels)), key=lambda n: -probabilities[n])[:count]
    return json.dumps([[labels[n], probabilities[n]] for n in best])
