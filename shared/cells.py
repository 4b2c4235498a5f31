"""Pictures as the model saw them, many at once: how API and workers name, ask for and keep them.

A worker of the lane `bulk` draws a unit of up to a hundred, between two chunks or when it is idle, and stores it as one
object. Sheets and exports are put together from units, so that a storm of them costs each worker a bounded share.
"""

from __future__ import annotations

import hashlib
import json
import struct
import time
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
MARK_S = 30
"""Seconds after which a unit counts as lost that a worker has taken."""
FORGOTTEN_S = 60
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
    def parse(text: str) -> Unit:
        """Read a message.

        Raises:
            ValueError: it is none.
        """
        match json.loads(text):
            case [str(job), [*seqs]] if (
                all(type(s) is int and 0 <= s < 2**31 for s in seqs) and len(seqs) <= UNIT
            ):
                return Unit(UUID(hex=job), tuple(seqs))
        raise ValueError("no unit of cells")


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
    """Ask workers to draw units that are neither waiting nor being drawn.

    Tickets go to the head of the lane: a worker that is free draws before it takes the next chunk.

    Raises:
        QueueFull: too many wait already.
        redis.RedisError: Redis is away.
    """
    with client.pipeline(transaction=False) as asking:
        asking.zcard(WANTED)
        for unit in units:
            asking.zscore(WANTED, unit.text())
            asking.exists(_mark(unit))
        waiting, *known = asking.execute()
    in_line, in_work = known[::2], known[1::2]
    states = zip(units, in_line, in_work, strict=True)
    fresh = [unit for unit, place, is_drawn in states if place is None and not is_drawn]
    if fresh and waiting + len(fresh) > MOST_WANTED:
        raise QueueFull("Too many pictures are being drawn at the moment.")
    _line_up(client, fresh)


def next_wanted(client: redis.Redis) -> Unit | None:
    """Take the unit that has waited longest; nobody asks for it again while it is drawn.

    What is no unit is thrown away.

    Raises:
        redis.RedisError: Redis is away.
    """
    while found := client.zpopmin(WANTED):
        try:
            unit = Unit.parse(_text(found[0][0]))
        except ValueError:
            continue
        client.set(_mark(unit), 1, ex=MARK_S)
        return unit
    return None


def want_rest(client: redis.Redis, unit: Unit) -> None:
    """Put a unit that took too long at the end of the line.

    Raises:
        redis.RedisError: Redis is away.
    """
    _line_up(client, [unit])
    drawn(client, unit)


def drawn(client: redis.Redis, unit: Unit) -> None:
    """Let the unit be asked for again.

    Raises:
        redis.RedisError: Redis is away.
    """
    client.delete(_mark(unit))


def _line_up(client: redis.Redis, units: Sequence[Unit]) -> None:
    """Put units into the line, each once, with a ticket each; a line that nobody works off is forgotten."""
    if not units:
        return
    with client.pipeline() as sending:
        sending.zadd(WANTED, {unit.text(): time.time() for unit in units}, nx=True)
        sending.expire(WANTED, FORGOTTEN_S)
        sending.rpush(str(Lane.BULK), *(ticket(Lane.BULK) for _ in units))
        sending.execute()


def _text(member: object) -> str:
    return member.decode("utf-8", "replace") if isinstance(member, bytes) else str(member)


def _mark(unit: Unit) -> str:
    return f"{WANTED}:{unit.key}"
