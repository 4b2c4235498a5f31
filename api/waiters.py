"""Wait for jobs to change: by hints from Redis when it is there, and by one look at the database for all waiters."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import redis.asyncio
from starlette.concurrency import run_in_threadpool

from shared.db import Database
from shared.errors import InkqueueError, Unavailable
from shared.jobs.read import Watched, watch_jobs
from shared.lanes import HINTS
from shared.logs import get_logger

log = get_logger(__name__)

LOOK_S = 0.45
"""So that without Redis, too, progress is told twice a second."""
HINT_REST_S = 0.05
"""Looks that hints ask for come at most this often, however many jobs change."""
FAILED_S = 1.0
"""Rest after a failure, so that one that lasts does not keep the event loop busy."""
REMEMBERED = 4096


class Waiter:
    """One request that waits for one job."""

    def __init__(self, job_id: UUID, reads_itself: bool) -> None:
        self.job_id = job_id
        self.reads_itself = reads_itself
        self.seen: Watched | None = None
        self.missing = False
        self.hinted = False
        self.changed = asyncio.Event()

    async def beyond(self, version: int, timeout_s: float) -> Watched | None:
        """Wait until the job's version is another one than this; None when the time is over or the job is gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.missing:
                    if self.seen is not None and self.seen.version > version:
                        return self.seen
                    self.changed.clear()
                    await self.changed.wait()
        return None

    async def news(self, timeout_s: float) -> None:
        """Wait for a hint, for the end as the look sees it, or until the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.hinted and not self.missing and not (self.seen and self.seen.terminal):
                    self.changed.clear()
                    await self.changed.wait()
        self.hinted = False

    async def end(self, timeout_s: float) -> None:
        """Wait until the job has ended, is gone, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.missing and not (self.seen is not None and self.seen.terminal):
                    self.changed.clear()
                    await self.changed.wait()


class Waiters:
    """All waiting requests of this process. Holds no database connection but while it looks."""

    def __init__(self, db: Database, redis_url: str, most: int) -> None:
        self._db = db
        self._redis_url = redis_url
        self._most = most
        self._waiting: dict[UUID, set[Waiter]] = {}
        self._count = 0
        self._hinted: set[UUID] = set()
        self._recent: OrderedDict[UUID, float] = OrderedDict()
        self._wake = asyncio.Event()
        self._closing = False
        self._all_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to listen and to look."""
        self._loop = asyncio.get_running_loop()
        self._all_at = time.monotonic() + LOOK_S
        self._tasks = [asyncio.create_task(_repeat(step)) for step in (self._listen, self._look)]

    @property
    def count(self) -> int:
        """Return how many requests wait."""
        return self._count

    async def close(self) -> None:
        """Stop; those who still wait are let go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._release()

    def let_go(self) -> None:
        """Let everybody go who waits, now and from now on; for the signal that ends the process."""
        self._loop.call_soon_threadsafe(self._release)

    def _release(self) -> None:
        self._closing = True
        for waiter in [w for waiters in self._waiting.values() for w in waiters]:
            waiter.missing = True
            waiter.changed.set()

    @contextmanager
    def waiting(
        self, job_id: UUID, *, since: float | None = None, reads_itself: bool = False
    ) -> Iterator[Waiter]:
        """Register a request for a job.

        Args:
            since: monotonic time; a hint that came after it counts as if it came now.
            reads_itself: no look is to be made for it after a hint, it makes its own.

        Raises:
            Unavailable: too many wait already.
        """
        if self._count >= self._most:
            raise Unavailable("Too many requests are waiting for jobs. Please poll without `wait`.")
        waiter = Waiter(job_id, reads_itself)
        waiter.missing = self._closing
        self._waiting.setdefault(job_id, set()).add(waiter)
        self._count += 1
        if since is not None and self._recent.get(job_id, 0.0) >= since:
            waiter.hinted = True
        if not reads_itself:
            self._ask(job_id)
        try:
            yield waiter
        finally:
            self._count -= 1
            self._waiting[job_id].discard(waiter)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    def hint(self, job_id: UUID) -> None:
        """Note that a job has changed."""
        self._recent[job_id] = time.monotonic()
        self._recent.move_to_end(job_id)
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        waiters = self._waiting.get(job_id, ())
        for waiter in waiters:
            waiter.hinted = True
            waiter.changed.set()
        if not all(waiter.reads_itself for waiter in waiters):
            self._ask(job_id)

    def _ask(self, job_id: UUID) -> None:
        """Have this job looked at soon."""
        self._hinted.add(job_id)
        self._wake.set()

    async def _listen(self) -> None:
        """Take hints from Redis until it is lost; without Redis the looks go on."""
        client = redis.asyncio.Redis.from_url(
            self._redis_url, socket_connect_timeout=2.0, socket_keepalive=True, health_check_interval=10
        )
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as subscription:
                await subscription.subscribe(HINTS)
                self._hinted.update(self._waiting)  # what changed while nobody listened
                self._wake.set()
                while True:
                    message = await subscription.get_message(timeout=5.0)
                    if message is not None:
                        self._take(message["data"])
        except (redis.RedisError, OSError) as error:
            log.info("hints_lost", why=str(error))
            await asyncio.sleep(FAILED_S)
        finally:
            with contextlib.suppress(redis.RedisError, OSError):
                await client.aclose()

    def _take(self, data: bytes) -> None:
        for part in data.decode("ascii", "replace").split(","):
            with contextlib.suppress(ValueError):
                self.hint(UUID(hex=part))

    async def _look(self) -> None:
        """Wait until it is time, then read the versions of hinted jobs at once, of all twice a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._all_at - time.monotonic())):
                await self._wake.wait()
        self._wake.clear()
        if time.monotonic() >= self._all_at:
            wanted = set(self._waiting)
            self._all_at = time.monotonic() + LOOK_S
        else:
            wanted = self._hinted & self._waiting.keys()
        self._hinted -= wanted
        if wanted:
            await self._read(wanted)
            await asyncio.sleep(HINT_REST_S if len(wanted) > 1 else 0.005)

    async def _read(self, wanted: set[UUID]) -> None:
        try:
            seen = await run_in_threadpool(watch_jobs, self._db, list(wanted))
        except InkqueueError as error:
            log.warning("look_failed", why=error.detail)
            return
        for job_id in wanted:
            for waiter in self._waiting.get(job_id, ()):
                waiter.seen = seen.get(job_id)
                waiter.missing = waiter.seen is None or self._closing
                waiter.changed.set()


async def _repeat(step: Callable[[], Awaitable[None]]) -> None:
    """Do a step for ever; a defect in it must not leave everybody waiting who comes later."""
    while True:
        try:
            await step()
        except Exception:
            log.exception("waiters_failed")
            await asyncio.sleep(FAILED_S)
