"""When a delivery that failed is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MOST_WAIT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """The seconds before each try: the first is the one before the first, and their number is that of the tries.

    `jitter` is the share by which a wait may be longer or shorter.
    """

    delays_s: Sequence[float]
    jitter: float

    @classmethod
    def parse(cls, text: str, jitter: float) -> Schedule:
        """Read `0,5,300,…`.

        Raises:
            ValueError: it is empty, or no list of seconds.
        """
        delays = [float(part) for part in text.split(",") if part.strip()]
        if not delays or min(delays) < 0 or not max(delays) < float("inf"):
            raise ValueError(
                "INKQUEUE_WEBHOOK_SCHEDULE_S is to be seconds, separated by commas, such as 0,5,300"
            )
        return cls(delays, min(1.0, max(0.0, jitter)))

    def wait_s(
        self, tried: int, retry_after_s: float | None, draw: Callable[[float, float], float] = random.uniform
    ) -> float | None:
        """Return the seconds until the next try after `tried` of them, None when that was the last.

        What the receiver asks for by Retry-After is waited for, up to a day; it never shortens the schedule's own wait.
        """
        if tried >= len(self.delays_s):
            return None
        wait = self.delays_s[tried] * draw(1 - self.jitter, 1 + self.jitter)
        return max(wait, min(retry_after_s or 0.0, MOST_WAIT_S))


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Read `Retry-After` (RFC 9110, 10.2.3): seconds or an HTTP date; None when it is missing, past or nonsense."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return seconds if seconds > 0 else None
