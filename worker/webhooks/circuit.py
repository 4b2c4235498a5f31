"""A circuit breaker for one receiver (Nygard, Release It!, chapter 5)."""

from __future__ import annotations

import random

FAILURES_TO_OPEN = 20
FIRST_OPEN_S = 1.0
LONGEST_OPEN_S = 30.0


class Circuit:
    """Opens when nothing succeeded in a row of attempts; then lets one through at a time, ever more seldom.

    A receiver that fails at random never opens it. What holds a delivery back here costs it no try of its schedule.
    Times are seconds of a steady clock.
    """

    def __init__(self) -> None:
        self._good_at = float("-inf")
        self._bad = 0
        self._open_s = 0.0
        self._until = 0.0
        self._probing = False

    @property
    def closed(self) -> bool:
        """Tell whether attempts go through freely."""
        return self._open_s == 0.0

    @property
    def untroubled(self) -> bool:
        """Tell whether there is nothing to remember."""
        return self.closed and self._bad == 0

    def probes(self, now: float) -> bool:
        """Tell whether an open circuit lets an attempt through now."""
        return not self._probing and now >= self._until

    def began(self) -> None:
        """Note that an attempt goes out."""
        self._probing = not self.closed

    def good(self, now: float) -> None:
        """Note that the receiver has answered as a living one does."""
        self._good_at, self._bad, self._open_s, self._probing = now, 0, 0.0, False

    def bad(self, began_at: float, now: float) -> None:
        """Note a failure; one of an attempt older than the last success says nothing new."""
        probe, self._probing = self._probing, False
        if began_at < self._good_at:
            return
        self._bad += 1
        if self._bad >= FAILURES_TO_OPEN and (self.closed or probe):
            self._open_s = min(LONGEST_OPEN_S, 2 * self._open_s or FIRST_OPEN_S)
            self._until = now + self._open_s * random.uniform(0.9, 1.1)

    def dropped(self) -> None:
        """Note that an attempt ended without telling anything."""
        self._probing = False
