"""Let requests through at once while much is left of their quotas, and count them a moment later, together.

What an ordinary caller pays for the limits is then no wait for Redis, whatever Redis' mood, and one count for many
requests. The price: each process may let through a sixteenth of what is left before the others know.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from api.limits_counters import Counters, Policy, Standing

COUNT_S = 0.25
FORGET_S = 1.0
SHARE = 16
FEWEST = 4
"""Below so many requests ahead each request is counted before it is let through."""


@dataclass(slots=True)
class _Lead:
    """A caller who is far from the limit: how many may come, have come, and are being counted right now."""

    seen: list[Standing]
    room: int
    taken: int = 0
    flying: int = 0
    seen_at: float = 0.0


class Ahead:
    """Stands before the counters; close to a limit it is as exact as they are."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._leads: dict[tuple[str, tuple[Policy, ...]], _Lead] = {}
        self._settling: asyncio.Task[None] | None = None

    async def take(self, identity: str, policies: Sequence[Policy]) -> list[Standing]:
        """Count one request under each policy, now or within a moment."""
        key = (identity, tuple(policies))
        lead = self._leads.get(key)
        if lead is not None and lead.taken < lead.room:
            lead.taken += 1
            return [standing.after(lead.taken) for standing in lead.seen]
        owed = self._close(key)
        found = await self._counters.take(identity, policies, 1 + owed)
        room = _room(found)
        if room and key not in self._leads:
            self._leads[key] = _Lead(found, room, seen_at=time.monotonic())
            if self._settling is None or self._settling.done():
                self._settling = asyncio.create_task(self._settle())
        return found

    async def close(self) -> None:
        """Count what is owed, then let Redis go."""
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)
        await asyncio.gather(*(self._count(*key, lead) for key, lead in self._leads.items()))
        await self._counters.close()

    def _close(self, key: tuple[str, tuple[Policy, ...]]) -> int:
        """End a lead; return how many of its requests nobody counts yet."""
        lead = self._leads.pop(key, None)
        if lead is None:
            return 0
        owed, lead.taken = lead.taken - lead.flying, lead.flying
        return owed

    async def _settle(self) -> None:
        """Count what was let through, again and again; forget callers who have stopped."""
        while self._leads:
            await asyncio.sleep(COUNT_S)
            old = time.monotonic() - FORGET_S
            for key in [k for k, lead in self._leads.items() if not lead.taken and lead.seen_at < old]:
                del self._leads[key]
            await asyncio.gather(*(self._count(*key, lead) for key, lead in list(self._leads.items())))

    async def _count(self, identity: str, policies: tuple[Policy, ...], lead: _Lead) -> None:
        if not lead.taken:
            return
        lead.flying = lead.taken
        found = await self._counters.take(identity, policies, lead.flying)
        lead.taken -= lead.flying
        lead.flying = 0
        lead.seen, lead.room, lead.seen_at = found, _room(found), time.monotonic()


def _room(found: Sequence[Standing]) -> int:
    """Return how many requests may come before they are counted; none when little is left."""
    room = min(standing.left for standing in found) // SHARE
    return room if room >= FEWEST else 0
