"""A receiver of webhooks in a process of its own: it fails and stalls at random, and notes what arrives, and when."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection

from inkqueue.webhooks import WebhookVerificationError, verify

STALL_S = 60.0


@dataclass
class Notes:
    """What one receiver has seen: the delay of each job's first try, who was delivered, and how many were forged."""

    first_s: dict[str, float] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)
    tries: int = 0
    wrong: int = 0


@dataclass(frozen=True)
class Manners:
    """How a receiver behaves: the shares of tries that it answers with 500, and that it never answers."""

    fails: float = 0.0
    stalls: float = 0.0


class Receiver:
    """One address; HTTP/1.1 as far as senders of webhooks use it."""

    def __init__(self, manners: Manners, secret: str, seed: int) -> None:
        self.notes = Notes()
        self._manners, self._secret = manners, secret
        self._random = random.Random(seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")[1:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                status = self._take(headers, body)
                if status is None:
                    await asyncio.sleep(STALL_S)
                    return
                writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % status)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _take(self, headers: dict[str, str], body: bytes) -> int | None:
        """Note a request; return the status to answer with, None to stall."""
        arrived = time.time()
        notes = self.notes
        notes.tries += 1
        try:
            event = verify(body, headers, self._secret)
        except WebhookVerificationError:
            notes.wrong += 1
            return 400
        ended = datetime.fromisoformat(event.data["finished_at"]).timestamp()
        notes.first_s.setdefault(event.data["id"], arrived - ended)
        drawn = self._random.random()
        if drawn < self._manners.stalls:
            return None
        if drawn < self._manners.stalls + self._manners.fails:
            return 500
        notes.delivered.add(event.data["id"])
        return 200


async def _run(pipe: Connection, manners: list[Manners], secret: str) -> None:
    """Serve every receiver and a dead one; tell the ports, then the notes whenever they are asked for."""
    receivers = [Receiver(one, secret, seed) for seed, one in enumerate(manners)]
    servers = [await asyncio.start_server(r.serve, "127.0.0.1", 0, backlog=1024) for r in receivers]
    dead = await asyncio.start_server(_dead, "127.0.0.1", 0, backlog=1024)
    pipe.send([server.sockets[0].getsockname()[1] for server in (*servers, dead)])
    while await asyncio.to_thread(pipe.recv):
        pipe.send([receiver.notes for receiver in receivers])


async def _dead(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept and never answer: the worst kind of dead host."""
    try:
        await asyncio.sleep(3600)
    finally:
        writer.close()


def _main(pipe: Connection, manners: list[Manners], secret: str) -> None:
    asyncio.run(_run(pipe, manners, secret))


class Receivers:
    """The receivers' process, from outside; `ports` are theirs in order, the last one that of the dead host."""

    def __init__(self, pipe: Connection, ports: list[int]) -> None:
        self._pipe = pipe
        self.ports = ports

    def notes(self) -> list[Notes]:
        """Ask for what was seen so far."""
        self._pipe.send(True)
        found: list[Notes] = self._pipe.recv()
        return found


@contextmanager
def receivers(manners: list[Manners], secret: str) -> Iterator[Receivers]:
    """Run receivers in a process until the block ends."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, manners, secret), daemon=True)
    process.start()
    try:
        yield Receivers(ours, ours.recv())
    finally:
        process.kill()
        process.join()


def percentiles(values: list[float]) -> dict[str, float]:
    """Return p50, p95 and p99 in seconds."""
    ordered = sorted(values)
    return {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 3) for p in (50, 95, 99)}


def as_json(value: object) -> str:
    """Write figures for programs."""
    return json.dumps(value, indent=2)
