"""Measure how long the service takes to go on: one fault at a time, while it works on a job that is large enough."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psycopg

from tests.chaos.faults import Injector
from tests.chaos.faults_plan import Fault
from tests.chaos.inside import uuid_of

POLL_S = 0.05
LONGEST_S = 120.0
_BUSY = """SELECT id, job_id, first_seq, end_seq, worker FROM chunks WHERE state = 'leased' AND kind = 'classify'
    AND job_id = %s AND claimed_at < clock_timestamp() - interval '0.1 s' ORDER BY claimed_at DESC LIMIT 1"""
_READY = """SELECT count(*) FROM workers WHERE role = 'worker' AND lane = 'bulk'
    AND heartbeat_at > clock_timestamp() - interval '1.5 s'"""
_WRITTEN = "SELECT count(*) FROM items WHERE job_id = %s AND seq >= %s AND seq < %s"
_DONE = "SELECT coalesce(sum(succeeded + failed + skipped), 0) FROM jobs"


class Recovery:
    """One measurement after the other on a quiet stack."""

    def __init__(self, injector: Injector, database_url: str, feed: Callable[[], Awaitable[str]]) -> None:
        """Use `feed` to submit a large job; it returns the job's id."""
        self.injector, self.url, self.feed = injector, database_url, feed
        self.seconds: dict[str, list[float]] = {}

    async def kills(self, count: int) -> None:
        """Kill the process that reads, and the whole worker, in turns; each in the middle of a chunk."""
        for number in range(count):
            name = "worker_kill" if number % 2 else "worker_child_kill"
            # readiness counts the one killed before until its heartbeat is missed; asked sooner, it would say yes
            await asyncio.sleep(2.0)
            await self._until(self._ready)
            chunk = await self._busy()
            parent, child = (int(part) for part in chunk[4].rsplit(":", 2)[1:])
            os.kill(parent if number % 2 else child, signal.SIGKILL)
            began = time.monotonic()
            await self._until(lambda c=chunk: self._written(c[1], c[2], c[3]))  # type: ignore[misc]
            self._note(name, began, f"chunk {chunk[0]}")

    async def redis(
        self, count: int, gone_s: float, submit: Callable[[], Awaitable[Any]], ended: Any
    ) -> None:
        """Take Redis away, submit meanwhile, and time the answer and, from its return, the job's end."""
        for number in range(count):
            name = "redis_kill" if number % 2 else "redis_flush"
            away = asyncio.create_task(
                self.injector.links.hold(self.injector.links.of("redis"), "closed", gone_s)
            )
            await asyncio.sleep(0.2)
            asked = time.monotonic()
            job = await submit()
            self.seconds.setdefault("202 while Redis is gone", []).append(time.monotonic() - asked)
            await self.injector.strike(Fault(0, 0.0, name, 0.0, 0, 0.0))
            await away
            began = time.monotonic()
            await ended(job)
            self._note("redis", began, "all links")

    async def postgres(self, count: int) -> None:
        """Restart PostgreSQL while chunks are in work; time the next commit of results."""
        for number in range(count):
            await self._busy()
            before = await self._value(_DONE)
            kind = "postgres_crash" if number % 2 else "postgres_restart"
            began = time.monotonic()
            await self.injector.strike(Fault(0, 0.0, kind, 0.0, 0, 0.0))
            await asyncio.sleep(0.1)
            await self._until(lambda: self._value("SELECT 1"))
            back = time.monotonic()
            await self._until(lambda b=before: self._more(b))  # type: ignore[misc]
            self._note("postgres, from the blow", began, "")
            self.seconds.setdefault("postgres, from its return", []).append(time.monotonic() - back)

    def figures(self) -> dict[str, dict[str, float]]:
        """Return median, p95 and worst of each measurement."""
        return {name: spread(values) for name, values in self.seconds.items()}

    def _note(self, name: str, began: float, target: str) -> None:
        self.seconds.setdefault(name, []).append(time.monotonic() - began)
        print(f"recovery: {name} {target} {self.seconds[name][-1]:.2f} s", flush=True)

    async def _busy(self) -> Any:
        """Return a chunk that a worker has in work; submit more when there is none."""
        end = time.monotonic() + LONGEST_S
        job = await self.feed()
        while time.monotonic() < end:
            chunk = await self._row(_BUSY, uuid_of(job))
            if chunk is not None:
                return chunk
            if await self._value("SELECT finished_at IS NOT NULL FROM jobs WHERE id = %s", uuid_of(job)):
                job = await self.feed()
            await asyncio.sleep(POLL_S)
        raise TimeoutError("no chunk in work")

    async def _ready(self) -> bool:
        return bool(await self._value(_READY) >= 2)

    async def _written(self, job: Any, first: int, end: int) -> bool:
        return bool(await self._value(_WRITTEN, job, first, end) == end - first)

    async def _more(self, before: int) -> bool:
        return bool((await self._value(_DONE) or 0) > before)

    async def _until(self, condition: Callable[[], Awaitable[Any]]) -> None:
        end = time.monotonic() + LONGEST_S
        while time.monotonic() < end:
            try:
                if await condition():
                    return
            except psycopg.Error:
                pass
            await asyncio.sleep(POLL_S)
        raise TimeoutError("the service did not recover")

    async def _value(self, statement: str, *values: object) -> Any:
        row = await self._row(statement, *values)
        return row[0] if row else None

    async def _row(self, statement: str, *values: object) -> Any:
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True, connect_timeout=3) as db:
            return await (await db.execute(statement, values)).fetchone()  # type: ignore[call-overload]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return how many there are, median, p95 and the worst, in seconds."""
    ordered = sorted(values)
    return {
        "number": len(ordered),
        "median": round(statistics.median(ordered), 2),
        "p95": round(ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)], 2),
        "worst": round(ordered[-1], 2),
    }
