"""Contact sheets: hundreds of pictures as the model saw them in one PNG, put together from what workers have drawn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import numpy as np
import numpy.typing as npt
import redis
from starlette.concurrency import run_in_threadpool

from api.json_body import encode_png
from shared.blobs import Blobs
from shared.cells import KEPT_S, SIDE, Cells, Unit, units_of, want
from shared.db import Database
from shared.errors import BlobMissing, QueueFull, StorageFull, Unavailable
from shared.jobs.arrivals import reserve_object

COLUMNS = 25
ROWS = 20
PER_SHEET = COLUMNS * ROWS
AT_ONCE = 64
"""Requests of one process that wait for workers at once."""
WAIT_S = 8.0
ASK_S = 2.0
LOOK_S = 0.02
SLOWEST_LOOK_S = 0.25


class Sheets:
    """Gets pictures drawn and lays them out; who waits holds no thread, and only so many may wait."""

    def __init__(self, db: Database, blobs: Blobs, client: redis.Redis) -> None:
        self._db, self._blobs, self._client = db, blobs, client
        self._waiting = 0

    async def kept(self, key: str) -> bytes | None:
        """Return a sheet that was laid out before."""
        try:
            return await run_in_threadpool(self._blobs.get, key)
        except BlobMissing:
            return None

    async def keep(self, key: str, sheet: bytes) -> None:
        """Keep a sheet for a day; a storage that has no room for it is no reason to fail."""
        try:
            await run_in_threadpool(self._keep, key, sheet)
        except (StorageFull, Unavailable):
            return

    def _keep(self, key: str, sheet: bytes) -> None:
        reserve_object(self._db, key, KEPT_S)
        self._blobs.put(key, sheet)

    async def cells(self, job_id: UUID, seqs: Sequence[int], wait_s: float | None = None) -> Cells:
        """Return the pictures of these items; cells may be unseen when the time was over.

        Raises:
            QueueFull: too many wait.
            Unavailable: no worker has drawn any of them in time.
        """
        async with self._place():
            return await self._drawn(
                units_of(job_id, seqs), time.monotonic() + (WAIT_S if wait_s is None else wait_s)
            )

    async def _drawn(self, units: Sequence[Unit], until: float) -> Cells:
        found: dict[Unit, Cells] = {}
        pause, ask_at = LOOK_S, 0.0
        while True:
            for unit in units:
                if unit not in found or not found[unit].is_complete:
                    await self._look(unit, found)
            missing = [u for u in units if u not in found or not found[u].is_complete]
            if not missing or time.monotonic() > until:
                return _joined(units, found)
            if time.monotonic() > ask_at:
                await self._ask(missing)
                ask_at = time.monotonic() + ASK_S
            await asyncio.sleep(pause)
            pause = min(SLOWEST_LOOK_S, pause * 1.2)

    async def _look(self, unit: Unit, found: dict[Unit, Cells]) -> None:
        data = await self.kept(unit.key)
        if data is not None:
            found[unit] = Cells.unpacked(data)

    async def _ask(self, units: Sequence[Unit]) -> None:
        try:
            await run_in_threadpool(want, self._client, units)
        except redis.RedisError as error:
            raise Unavailable("Pictures cannot be drawn at the moment.") from error

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Wait only if not too many do."""
        if self._waiting >= AT_ONCE:
            raise QueueFull("Too many wait for pictures at the moment.")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1


def _joined(units: Sequence[Unit], found: dict[Unit, Cells]) -> Cells:
    """Put units together; those that are missing are unseen.

    Raises:
        Unavailable: all of them are.
    """
    if units and not found:
        raise Unavailable("No worker has drawn these pictures in time. Please try again.")
    parts = [found.get(unit) or Cells.unseen(len(unit.seqs)) for unit in units] or [Cells.unseen(0)]
    return Cells(np.concatenate([p.states for p in parts]), np.concatenate([p.pixels for p in parts]))


def sheet_png(pixels: npt.NDArray[np.uint8], rows: int) -> bytes:
    """Lay cells (N, 28, 28) out in 25 columns and so many rows, row by row; the rest is black."""
    cells = np.zeros((rows * COLUMNS, SIDE, SIDE), np.uint8)
    cells[: len(pixels)] = pixels
    laid = cells.reshape(rows, COLUMNS, SIDE, SIDE).transpose(0, 2, 1, 3)
    return encode_png(np.ascontiguousarray(laid.reshape(rows * SIDE, COLUMNS * SIDE)))
