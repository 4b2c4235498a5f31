"""What a steward remembers of its duties, for the metrics: how often each was done, and when last."""

from __future__ import annotations

import time

from shared.samples import Samples


class DutyLog(Samples):
    """Thread-safe; a duty that was never done counts from the start of the steward."""

    def __init__(self) -> None:
        super().__init__()
        self._done: dict[str, float] = {}

    def succeeded(self, duty: str) -> None:
        """Note that a duty was done."""
        self._done[duty] = time.monotonic()
        self.add(f'inkqueue_duties_total{{duty="{duty}",outcome="done"}}')

    def failed(self, duty: str) -> None:
        """Note that a duty was tried in vain."""
        self.add(f'inkqueue_duties_total{{duty="{duty}",outcome="failed"}}')

    def gauges(self) -> dict[str, float]:
        """Return how long ago each duty was done."""
        now = time.monotonic()
        return {f'inkqueue_duty_age_seconds{{duty="{duty}"}}': now - at for duty, at in self._done.items()}
