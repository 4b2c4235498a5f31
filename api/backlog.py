"""Whether the interactive lane takes one more, looked at a few times a second at most."""

from __future__ import annotations

import time

from starlette.concurrency import run_in_threadpool

from shared.db import Database
from shared.jobs.sweep import claimable
from shared.status import Lane

FRESH_S = 0.2


class Backlog:
    """Counts the waiting chunks of the interactive lane."""

    def __init__(self, db: Database, most: int) -> None:
        self._db = db
        self._most = most
        self._count = 0
        self._at = float("-inf")

    async def full(self) -> bool:
        """Tell whether the lane holds as many images as it may."""
        if time.monotonic() - self._at > FRESH_S:
            self._at = time.monotonic()
            self._count = await run_in_threadpool(claimable, self._db, Lane.INTERACTIVE, self._most)
        return self._count >= self._most
