"""Draw what people look at: units of pictures as the model saw them, in short turns between chunks."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import cv2
import numpy as np
import redis
import sqlalchemy as sa
from numpy.typing import NDArray

from shared.blobs import Blobs
from shared.cells import DRAWN, EMPTY, KEPT_S, SIDE, UNSEEN, Cells, Unit, drawn, next_wanted, want_rest
from shared.contracts import JobSpec
from shared.db import Database
from shared.errors import BlobMissing, InkqueueError, ItemError
from shared.jobs.arrivals import reserve_object
from shared.jobs.binding import array_of
from shared.jobs.claim import job_specs
from shared.jobs.stop import manifest_source
from shared.logs import get_logger
from shared.manifest import read_slice
from shared.members import read_members
from shared.settings import Settings
from shared.vision import decode, prepare
from worker.models import Models
from worker.sources import job_sources

log = get_logger(__name__)
TURN_S = 1.0
"""A turn ends after this time; what is left waits for the next one."""


class Drawer:
    """Draws units that wait; what goes wrong is logged, and whoever waits asks again."""

    def __init__(
        self, settings: Settings, db: Database, blobs: Blobs, models: Models, client: redis.Redis
    ) -> None:
        self._settings, self._db, self._blobs = settings, db, blobs
        self._models, self._client = models, client

    def turn(self) -> int:
        """Draw until nothing waits or the turn is over; return how many units were taken."""
        over, done = time.monotonic() + TURN_S, 0
        try:
            while time.monotonic() < over and (unit := next_wanted(self._client)) is not None:
                done += 1
                if self._draw(unit, over):
                    drawn(self._client, unit)
                else:
                    want_rest(self._client, unit)
        except redis.RedisError as error:
            log.warning("cells_not_asked", reason=str(error))
        return done

    def _draw(self, unit: Unit, over: float) -> bool:
        """Draw one unit as far as the time allows; tell whether nothing is left of it to be done."""
        try:
            cells = self._kept(unit)
            if not cells.is_complete:
                self._fill(unit, cells, over)
                reserve_object(self._db, unit.key, KEPT_S)
                self._blobs.put(unit.key, cells.packed())
            return cells.is_complete
        except InkqueueError as error:
            log.warning("cells_not_drawn", job=unit.job_id.hex, reason=error.detail)
        except Exception:  # whatever is wrong with a picture, the worker goes on with its chunks
            log.exception("cells_broken", job=unit.job_id.hex)
        return True

    def _kept(self, unit: Unit) -> Cells:
        """Return what an earlier turn has drawn."""
        try:
            cells = Cells.unpacked(self._blobs.get(unit.key))
        except BlobMissing:
            return Cells.unseen(len(unit.seqs))
        return cells if len(cells.states) == len(unit.seqs) else Cells.unseen(len(unit.seqs))

    def _fill(self, unit: Unit, cells: Cells, over: float) -> None:
        """Draw the cells that nobody has looked at; those of items that were not read stay empty.

        A picture that may have killed a worker is none of a succeeded item, so it is never decoded here.
        """
        spec = job_specs(self._db, [unit.job_id]).get(unit.job_id)
        places = {seq: n for n, seq in enumerate(unit.seqs) if cells.states[n] == UNSEEN}
        seqs = [] if spec is None else self._succeeded(unit, list(places))
        for seq in places.keys() - set(seqs):
            cells.states[places[seq]] = EMPTY
        if spec is None:
            return
        try:
            for seq, picture in self._pictures(spec, seqs):
                n = places[seq]
                cells.states[n] = EMPTY if picture is None else DRAWN
                if picture is not None:
                    cells.pixels[n] = picture
                if time.monotonic() > over:
                    return
        except BlobMissing:
            self._blobs.probe()  # the storage is there, so it is the upload that is not
            cells.states[cells.states == UNSEEN] = EMPTY

    def _succeeded(self, unit: Unit, seqs: list[int]) -> list[int]:
        """Return those that were read, in order."""
        with self._db.statement() as connection:
            return list(connection.execute(_SUCCEEDED, {"id": unit.job_id, "seqs": seqs}).scalars())

    def _pictures(self, spec: JobSpec, seqs: list[int]) -> Iterator[tuple[int, NDArray[np.uint8] | None]]:
        """Yield each item's picture; None where there is none."""
        package = self._models.find(spec.model_name, spec.model_version).package
        source = manifest_source(self._blobs, spec.manifest_inline, spec.manifest_key)
        sources = job_sources(self._blobs, spec)
        for first, end in _runs(seqs):
            part = read_slice(source, first, end)
            for index, data in read_members(sources, part, self._settings):
                if not isinstance(data, bytes):
                    yield first + index, None
                    continue
                try:
                    page = int(part.records[index]["page"])
                    image = decode(data, page=page, max_pixels=self._settings.max_image_pixels)
                    seen = prepare(image.pixels, **package.card["preparation"], shape=package.shape)
                    yield first + index, as_cell(seen.image)
                except ItemError:
                    yield first + index, None


def as_cell(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what a network saw as 28×28 grey values; pictures of other sizes are scaled, colours become grey."""
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if grey.shape != (SIDE, SIDE):
        grey = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def _runs(seqs: list[int]) -> Iterator[tuple[int, int]]:
    """Yield neighbouring numbers as ranges, so that each is one read of the manifest."""
    for _, group in itertools.groupby(enumerate(seqs), lambda pair: pair[1] - pair[0]):
        run = [seq for _, seq in group]
        yield run[0], run[-1] + 1


_SUCCEEDED = sa.text(
    """SELECT seq FROM items WHERE job_id = :id AND seq = ANY (:seqs) AND status = 'succeeded' ORDER BY seq"""
).bindparams(array_of("seqs", sa.Integer()))
