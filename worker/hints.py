"""Hints to waiting API processes and tickets to other workers; a Redis that is away costs nobody time."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

import redis

from shared import lanes
from shared.logs import get_logger
from shared.status import Lane

log = get_logger(__name__)
PAUSE_S = 5.0


class Hints:
    """Sends on one connection; after a failure it is silent for a while instead of trying again each time."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._silent_until = 0.0

    def changed(self, *jobs: UUID) -> None:
        """Say that these jobs have changed."""
        self._try(lambda: lanes.publish_hint(self.client, *jobs))

    def ticket(self, lane: Lane) -> None:
        """Wake one more worker of the lane."""
        self._try(lambda: lanes.send_tickets(self.client, lane, 1))

    def waiting(self, lane: Lane) -> int | None:
        """Return how many tickets wait in the lane; None when Redis does not answer."""
        try:
            return lanes.waiting_tickets(self.client, lane)
        except redis.RedisError:
            return None

    def _try(self, send: Callable[[], None]) -> None:
        """Send unless Redis has just failed."""
        if time.monotonic() < self._silent_until:
            return
        try:
            send()
        except redis.RedisError as error:
            self._silent_until = time.monotonic() + PAUSE_S
            log.warning("hint_failed", reason=str(error))
