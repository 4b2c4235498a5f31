"""Pictures as the model saw them, many at once: how API and workers name, ask for and keep them.

A worker of the lane `bulk` draws a unit of up to a hundred, between two chunks or when it is idle, and stores it as one
object. Sheets and exports are put together from units, so that a storm of them costs each worker a bounded share.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt
import redis

from shared.errors import Internal, QueueFull
from shared.lanes import ticket
from shared.status import Lane

SIDE = 28
UNIT = 100
MOST_WANTED = 200
"""Units that wait at once; more are refused."""
MARK_S = 5
"""Seconds in which nobody asks for a unit again that somebody has asked for."""
WANTED = "inkqueue:cells"
KEPT_S = 86400.0

UNSEEN, DRAWN, EMPTY = 0, 1, 2
"""State of a cell: nobody has looked yet, there is a picture, there is none to be had."""
_HEAD = struct.Struct("<4sI")
_MAGIC = b"IKC1"


@dataclass(frozen=True, slots=True)
class Unit:
    """Up to a hundred items of a job, in the order of their cells."""

    job_id: UUID
    seqs: tuple[int, ...]

    @property
    def key(self) -> str:
        """Return where its pictures are kept for a while."""
        named = hashlib.sha256(struct.pack(f"<{len(self.seqs)}I", *self.seqs)).hexdigest()[:32]
        return f"views/{self.job_id.hex}/cells-{named}"

    def text(self) -> str:
        """Return it as a message."""
        return json.dumps([self.job_id.hex, self.seqs])

    @staticmethod
    def parse(text: str | bytes) -> Unit:
        """Read a message."""
        job, seqs = json.loads(text)
        return Unit(UUID(hex=job), tuple(seqs))


@dataclass(slots=True)
class Cells:
    """What a unit shows: `states` uint8 (N,), `pixels` uint8 (N, 28, 28), light on dark, zeros where nothing is."""

    states: npt.NDArray[np.uint8]
    pixels: npt.NDArray[np.uint8]

    @staticmethod
    def unseen(count: int) -> Cells:
        """Return cells that nobody has looked at."""
        return Cells(np.zeros(count, np.uint8), np.zeros((count, SIDE, SIDE), np.uint8))

    @property
    def is_complete(self) -> bool:
        """Tell whether every cell was looked at."""
        return bool((self.states != UNSEEN).all())

    def packed(self) -> bytes:
        """Return them as an object."""
        body = zlib.compress(self.states.tobytes() + self.pixels.tobytes(), 1)
        return _HEAD.pack(_MAGIC, len(self.states)) + body

    @staticmethod
    def unpacked(data: bytes) -> Cells:
        """Read an object.

        Raises:
            Internal: it is none of these.
        """
        magic, count = _HEAD.unpack_from(data) if len(data) >= _HEAD.size else (b"", 0)
        size = count * (1 + SIDE * SIDE)
        if magic != _MAGIC or count > UNIT:
            raise Internal("the object holds no cells")
        body = np.frombuffer(zlib.decompressobj().decompress(data[_HEAD.size :], size), np.uint8)
        if len(body) != size:
            raise Internal("the cells are cut off")
        return Cells(body[:count].copy(), body[count:].reshape(count, SIDE, SIDE).copy())


def units_of(job_id: UUID, seqs: Sequence[int]) -> list[Unit]:
    """Cut items into units, in their order."""
    return [Unit(job_id, tuple(seqs[n : n + UNIT])) for n in range(0, len(seqs), UNIT)]


def want(client: redis.Redis, units: Sequence[Unit]) -> None:
    """Ask workers to draw units, unless somebody has just asked for them.

    Tickets go to the head of the lane: a worker that is free draws before it takes the next chunk.

    Raises:
        QueueFull: too many wait already.
        redis.RedisError: Redis is away.
    """
    with client.pipeline(transaction=False) as asking:
        asking.llen(WANTED)
        for unit in units:
            asking.set(_mark(unit), 1, nx=True, ex=MARK_S)
        waiting, *is_new = asking.execute()
    fresh = [unit for unit, was_free in zip(units, is_new, strict=True) if was_free]
    if waiting + len(fresh) > MOST_WANTED:
        if fresh:
            client.delete(*map(_mark, fresh))
        raise QueueFull("Too many pictures are being drawn at the moment.")
    if fresh:
        with client.pipeline() as sending:
            sending.lpush(WANTED, *(unit.text() for unit in fresh))
            sending.rpush(str(Lane.BULK), *(ticket(Lane.BULK) for _ in fresh))
            sending.execute()


def next_wanted(client: redis.Redis) -> Unit | None:
    """Take the unit that has waited longest.

    Raises:
        redis.RedisError: Redis is away.
    """
    found = client.rpop(WANTED)
    return Unit.parse(found) if isinstance(found, bytes | str) else None


def want_rest(client: redis.Redis, unit: Unit) -> None:
    """Put a unit that took too long at the end of the line.

    Raises:
        redis.RedisError: Redis is away.
    """
    with client.pipeline() as sending:
        sending.set(_mark(unit), 1, ex=MARK_S)
        sending.lpush(WANTED, unit.text())
        sending.rpush(str(Lane.BULK), ticket(Lane.BULK))
        sending.execute()


def drawn(client: redis.Redis, unit: Unit) -> None:
    """Let the unit be asked for again.

    Raises:
        redis.RedisError: Redis is away.
    """
    client.delete(_mark(unit))


def _mark(unit: Unit) -> str:
    return f"{WANTED}:{unit.key}"
