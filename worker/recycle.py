"""Whether a worker process has grown so much that a new one should take its place, between two chunks."""

from __future__ import annotations

from collections.abc import Sequence

import billiard.pool

from shared.logs import get_logger
from worker.board import resident_bytes

log = get_logger(__name__)


class Growth:
    """Compares the memory of this process with what it held when its models were loaded."""

    def __init__(self, most_bytes: int) -> None:
        """Let it grow by `most_bytes`; 0 is without limit."""
        self._most_bytes = most_bytes
        self._models: Sequence[str] = ()
        self._base = 0
        self.is_too_large = False

    def look(self, models: Sequence[str]) -> bool:
        """Measure; models that came or went since the last look begin a new count."""
        now = resident_bytes()
        if tuple(models) != self._models:
            self._models, self._base = tuple(models), now
        self.is_too_large = bool(self._most_bytes) and now - self._base > self._most_bytes
        if self.is_too_large:
            log.warning("worker_recycled", bytes=now, began_with=self._base)
        return self.is_too_large


def tell_pool(growth: Growth) -> None:
    """Have the pool replace this process after a task at whose end it has grown too large.

    The pool itself would ask for the peak of its memory, which one large image raises for good. And at its end the
    process waits a second, not thirty, for a parent that hears its last word: a parent that stops too may not listen
    any more, and all it misses is a ticket.
    """
    billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 10
    billiard.pool.mem_rss = lambda: 2 if growth.is_too_large else 1  # kilobytes, against a limit of one
