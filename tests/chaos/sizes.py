"""How much a run does: short for every suite, long for the promise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """What a run submits and breaks, in how many seconds."""

    jobs: int
    large: tuple[tuple[int, int], ...]
    faults: int
    storm_s: float
    lease_s: float
    kills: int
    redis: int
    postgres: int
    disk_mib: int
    looks_s: float
    predict_s: float
    drain_s: float
    sample: int
    durable: bool

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings that are not the defaults: waits that a test cannot sit out."""
        tries = ",".join(["0", "1", "1", "2", "3", *["4"] * 60])
        stale = max(8.0, 2 * self.lease_s)
        return {
            "INKQUEUE_LEASE_S": f"{self.lease_s:g}",
            "INKQUEUE_WEBHOOK_SCHEDULE_S": tries,
            "INKQUEUE_UPLOAD_STALE_S": f"{stale:g}",
            "INKQUEUE_WEBHOOK_TIMEOUT_S": "5",
            "INKQUEUE_WEBHOOK_LEASE_S": "10",
            "INKQUEUE_QUOTA_OPEN_JOBS": "0",
        }


SHORT = Sizes(
    jobs=90, large=((3000, 2),), faults=36, storm_s=15.0, lease_s=3.0, kills=2, redis=1, postgres=1,
    disk_mib=192, looks_s=20.0, predict_s=0.7, drain_s=180.0, sample=30, durable=False,
)  # fmt: skip
LONG = Sizes(
    jobs=10_300, large=((5000, 70), (20_000, 25), (50_000, 4)), faults=580, storm_s=1560.0, lease_s=15.0,
    kills=24, redis=6, postgres=6, disk_mib=3072, looks_s=30.0, predict_s=2.0, drain_s=900.0, sample=500,
    durable=True,
)  # fmt: skip
