"""Counts attempts for the metrics, and adds them to the totals now and then."""

from __future__ import annotations

from collections import Counter

from shared.db import Database
from shared.jobs import registry


class Tally:
    """Counts on the event loop; `flush` runs in a thread, one at a time."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._counts: Counter[str] = Counter()

    def add(self, *, delivered: bool) -> None:
        """Count one attempt."""
        self._counts["delivered" if delivered else "failed"] += 1

    def flush(self) -> None:
        """Add to the totals what was counted; an outage leaves it for the next time."""
        for name in ("delivered", "failed"):
            number = self._counts[name]
            if number:
                registry.count(self._db, f'inkqueue_webhook_attempts_total{{outcome="{name}"}}', number)
                self._counts[name] -= number
