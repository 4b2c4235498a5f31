"""Counters and histograms of one process, flat and cumulative, each sample under its Prometheus name."""

from __future__ import annotations

import threading
from collections.abc import Sequence

SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class Samples:
    """Thread-safe; what it holds only ever rises."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: dict[str, float] = {}

    def add(self, name: str, value: float = 1.0) -> None:
        """Raise a counter."""
        with self._lock:
            self._samples[name] = self._samples.get(name, 0.0) + value

    def observe(self, name: str, labels: str, value: float, bounds: Sequence[float] = SECONDS) -> None:
        """Put one value into a histogram: its cumulative buckets, sum and count.

        Args:
            labels: `name="value"` pairs, joined by commas; may be empty.
            bounds: upper bounds of the buckets, rising.
        """
        plain = f"{{{labels}}}" if labels else ""
        lead = f"{labels}," if labels else ""
        with self._lock:
            for bound in (*bounds, float("inf")):
                text = "+Inf" if bound == float("inf") else f"{bound:g}"
                key = f'{name}_bucket{{{lead}le="{text}"}}'
                self._samples[key] = self._samples.get(key, 0.0) + (value <= bound)
            for key, more in ((f"{name}_sum{plain}", value), (f"{name}_count{plain}", 1.0)):
                self._samples[key] = self._samples.get(key, 0.0) + more

    def samples(self) -> dict[str, float]:
        """Return a copy of all samples."""
        with self._lock:
            return dict(self._samples)


def label_value(text: str) -> str:
    """Return a text as it may stand between the quotes of a label (exposition format 0.0.4)."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
