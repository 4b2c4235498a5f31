"""Send tickets detached from the request: a Redis that is away or frozen neither fails nor slows a submission."""

from __future__ import annotations

import queue
import threading
import time
from uuid import UUID

import redis

from shared.lanes import publish_hint, send_tickets
from shared.logs import get_logger
from shared.status import Lane

log = get_logger(__name__)

MOST = 32
"""More tickets than this at once help nobody: a worker goes on claiming for each."""
REST_S = 2.0
"""After a failure Redis is left alone for so long; the steward sends what was dropped meanwhile."""
FAILED_S = 0.1
"""Rest after a failure that is not Redis'."""
WAITING = 10_000


class Tickets:
    """One thread that talks to Redis for all requests of this process."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._queue: queue.Queue[tuple[Lane, int] | UUID | None] = queue.Queue(WAITING)
        self._rest_until = 0.0
        self._thread = threading.Thread(target=self._run, name="tickets", daemon=True)

    def start(self) -> None:
        """Begin sending."""
        self._thread.start()

    def close(self) -> None:
        """Send what waits, at most for two seconds, then end."""
        self._put(None)
        self._thread.join(2.0)

    def send(self, lane: Lane, chunks: int) -> None:
        """Announce that this lane has so many more chunks; returns at once and never fails."""
        self._put((lane, min(chunks, MOST)))

    def hint(self, job_id: UUID) -> None:
        """Tell those who wait for this job, in every API process; returns at once and never fails."""
        self._put(job_id)

    def send_now(self, lane: Lane) -> None:
        """Send one ticket and wait until Redis has it.

        Raises:
            redis.RedisError: it is away.
        """
        if self.broken:
            raise redis.ConnectionError("Redis was away a moment ago")
        try:
            send_tickets(self._client, lane, 1)
        except redis.RedisError:
            self._rest_until = time.monotonic() + REST_S
            raise

    @property
    def broken(self) -> bool:
        """Tell whether Redis failed a moment ago."""
        return time.monotonic() < self._rest_until

    def _put(self, message: tuple[Lane, int] | UUID | None) -> None:
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            log.warning("tickets_dropped", why="too many wait for Redis")

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            if self.broken:
                continue
            try:
                if isinstance(message, UUID):
                    publish_hint(self._client, message)
                else:
                    send_tickets(self._client, *message)
            except redis.RedisError as error:
                self._rest_until = time.monotonic() + REST_S
                log.warning("tickets_not_sent", why=str(error))
            except Exception:  # a message that cannot be sent must not end the thread that sends all others
                log.exception("tickets_failed")
                time.sleep(FAILED_S)
