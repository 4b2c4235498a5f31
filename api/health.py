"""Measure whether the parts that this service needs work now; each check has its own short time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import psycopg
import redis

from shared.blobs import Blobs
from shared.catalogue import Catalogue
from shared.db import Database
from shared.errors import InkqueueError
from shared.jobs.workers import WorkerView, live_workers, serves
from shared.lanes import connect
from shared.logs import get_logger
from shared.settings import Settings

log = get_logger(__name__)

CHECK_S = 2.5
FRESH_S = 1.0
ALIVE_S = 7.0
"""A worker beats every second or two; one that is silent for longer is no help, long before it is forgotten."""


class Probe:
    """One check, run in a thread of its own, so that a part that hangs holds up nobody else.

    While a check hangs no second one is begun, and the part counts as failing.
    """

    def __init__(self, name: str, check: Callable[[], str | None]) -> None:
        self.name = name
        self._check = check
        self._lock = threading.Lock()
        self._running: Future[str | None] | None = None
        self._last: tuple[float, str | None] = (float("-inf"), None)

    async def measure(self) -> str | None:
        """Return what is wrong, None when nothing is; at most a second old."""
        with self._lock:
            at, result = self._last
            if time.monotonic() - at < FRESH_S:
                return result
            if self._running is None:
                self._running = Future()
                threading.Thread(
                    target=self._run, args=(self._running,), name=f"probe-{self.name}", daemon=True
                ).start()
            running = self._running
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(running)), CHECK_S)
        except TimeoutError:
            return "does not answer"

    def _run(self, future: Future[str | None]) -> None:
        try:
            result = self._check()
        except Exception as error:
            log.warning("probe_failed", part=self.name, why=str(error))
            result = error.detail if isinstance(error, InkqueueError) else "cannot be reached"
        with self._lock:
            self._last = (time.monotonic(), result)
            self._running = None
        future.set_result(result)


class Probes:
    """The checks of `/readyz`."""

    def __init__(self, settings: Settings, db: Database, blobs: Blobs, catalogue: Catalogue) -> None:
        self._settings = settings
        self._db = db
        self._blobs = blobs
        self._catalogue = catalogue
        self._redis: redis.Redis = connect(settings, CHECK_S - 0.5)
        checks = {
            "database": self._database,
            "broker": self._broker,
            "storage": self._storage,
            "workers": self._workers,
            "model": self._model,
        }
        self._probes = [Probe(name, check) for name, check in checks.items()]

    async def measure(self) -> dict[str, str]:
        """Return `ok` or what is wrong, a part; all are measured at once."""
        found = await asyncio.gather(*(probe.measure() for probe in self._probes))
        return {probe.name: result or "ok" for probe, result in zip(self._probes, found, strict=True)}

    def close(self) -> None:
        """Let the connection go."""
        self._redis.close()

    def live(self) -> list[WorkerView]:
        """Return the workers that have beaten lately."""
        return [w for w in live_workers(self._db, gone_s=ALIVE_S) if w.role == "worker"]

    def _database(self) -> str | None:
        """Ask on a connection of its own: the pool may be busy without the database being away."""
        with psycopg.connect(
            self._settings.database_url.replace("+psycopg", "", 1),
            connect_timeout=2,
            options="-c statement_timeout=2000",
            autocommit=True,
        ) as connection:
            if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
                return "is read-only"
            connection.execute("SELECT 1 FROM jobs LIMIT 1")
        return None

    def _broker(self) -> str | None:
        self._redis.ping()
        return None

    def _storage(self) -> str | None:
        self._blobs.probe()
        return None

    def _workers(self) -> str | None:
        lanes = {lane for worker in self.live() for lane in (worker.lane or "").split(",")}
        if not lanes:
            return "no worker is alive"
        missing = {"interactive", "bulk"} - lanes
        return f"no worker serves {', '.join(sorted(missing))}" if missing else None

    def _model(self) -> str | None:
        default = self._catalogue.default
        if not any(serves(worker, default) for worker in self.live()):
            return f"no living worker has the model {default} loaded"
        return None
