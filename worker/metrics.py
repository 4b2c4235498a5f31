"""Counters of one worker process, flat and cumulative, as they go into the table `workers`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from shared.samples import Samples

STAGES = ("read", "decode", "infer", "commit")
_JOB_SECONDS = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3600.0)
_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


class Metrics(Samples):
    """What a worker counts."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()
        self.items = 0
        self._recent: list[tuple[float, int]] = []

    def count_items(self, by_status: dict[str, int]) -> None:
        """Count finished items."""
        total = sum(by_status.values())
        with self._lock:
            self.items += total
            self._recent.append((time.monotonic(), total))
        for status, number in by_status.items():
            self.add(f'inkqueue_items_total{{status="{status}"}}', number)

    def batch(self, size: int) -> None:
        """Observe the size of one batch of the network."""
        self.observe("inkqueue_batch_size", "", float(size), _SIZES)

    def job(self, seconds: float) -> None:
        """Observe how long a job took from its submission to its end."""
        self.observe("inkqueue_job_seconds", "", seconds, _JOB_SECONDS)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage of the pipeline."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.observe("inkqueue_stage_seconds", f'stage="{name}"', time.monotonic() - began)

    def images_per_s(self, window_s: float = 10.0) -> float:
        """Return the throughput of the last seconds."""
        now = time.monotonic()
        with self._lock:
            self._recent = [(at, n) for at, n in self._recent if at > now - window_s]
            return sum(n for _, n in self._recent) / window_s
