"""Whether the interactive lane takes one more, looked at a few times a second at most."""

from __future__ import annotations

import time

from starlette.concurrency import run_in_threadpool

from shared.db import Database
from shared.jobs.quotas import waiting_by_tenant
from shared.status import Lane

FRESH_S = 0.2
TENANTS = 4
"""The lane takes so many times what one tenant may have in it, so that one alone never fills it."""


class Backlog:
    """Counts the waiting chunks of the interactive lane.

    Args:
        most: those of one tenant.
    """

    def __init__(self, db: Database, most: int) -> None:
        self._db = db
        self._most = most
        self._counts: dict[str, int] = {}
        self._at = float("-inf")

    async def full(self, tenant: str) -> bool:
        """Tell whether the lane holds as many images as it may, of this tenant or in all."""
        if time.monotonic() - self._at > FRESH_S:
            self._at = time.monotonic()
            cap = self._most * TENANTS
            self._counts = await run_in_threadpool(waiting_by_tenant, self._db, Lane.INTERACTIVE, cap)
        mine = self._counts.get(tenant, 0)
        return mine >= self._most or sum(self._counts.values()) >= self._most * TENANTS
