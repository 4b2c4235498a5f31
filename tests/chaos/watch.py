"""Look at jobs all the time while faults happen: every look must be consistent, and nothing may go backward."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.client import Client, GaveUp, Violations

TERMINAL = frozenset({"succeeded", "partially_succeeded", "failed", "canceled", "expired"})
ENDED = ("succeeded", "failed", "skipped", "canceled", "expired")
LOOKERS = 6


@dataclass
class Seen:
    """The last look at a job."""

    version: int = 0
    status: str = ""
    total: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    at: float = 0.0


def flaws(job: dict[str, Any], version: int | None, before: Seen) -> list[str]:
    """Say what is wrong with a look at a job, by itself and against the last one."""
    counts, found = job["counts"], []
    if counts["total"] != counts["pending"] + sum(counts[name] for name in ENDED):
        found.append(f"counts do not add up: {counts}")
    if counts["accepted"] + counts["review"] != counts["succeeded"] or min(counts.values()) < 0:
        found.append(f"decisions do not add up: {counts}")
    if version is not None and version < before.version:
        found.append(f"version went from {before.version} to {version}")
    if any(counts[name] < number for name, number in before.ended.items()):
        found.append(f"counts shrank: {before.ended} to {counts}")
    if before.status in TERMINAL and job["status"] != before.status:
        found.append(f"{before.status} became {job['status']}")
    if before.status not in ("", "validating") and before.total != counts["total"]:
        found.append(f"total went from {before.total} to {counts['total']}")
    if (job["status"] in TERMINAL) != (counts["pending"] == 0 and job["finished_at"] is not None):
        found.append(f"{job['status']} with {counts['pending']} pending, finished at {job['finished_at']}")
    return found


class Watcher:
    """All open jobs under watch; a job's task waits here for its end."""

    def __init__(self, client: Client, violations: Violations) -> None:
        """Watch nothing yet."""
        self.client, self.violations = client, violations
        self.looks = 0
        self._seen: dict[str, Seen] = {}
        self._ended: dict[str, asyncio.Event] = {}

    @property
    def open(self) -> list[str]:
        """Return the ids of the jobs that have not ended."""
        return [job for job, event in self._ended.items() if not event.is_set()]

    def add(self, job: str) -> None:
        """Begin to watch a job."""
        self._seen.setdefault(job, Seen())
        self._ended.setdefault(job, asyncio.Event())

    def seen(self, job: str) -> Seen:
        """Return the last look."""
        return self._seen[job]

    async def ended(self, job: str) -> Seen:
        """Wait for the end of a job."""
        await self._ended[job].wait()
        return self._seen[job]

    def take(self, job: dict[str, Any], asked_at: float, version: int | None = None) -> None:
        """Hold an answer against the rules, and against the last answer if that was there when this was asked for."""
        seen = self._seen.get(job["id"])
        if seen is None:
            return
        self.looks += 1
        overtaken = asked_at < seen.at
        for flaw in flaws(job, version, Seen() if overtaken else seen):
            self.violations.add(f"{job['id']}: {flaw}")
        if overtaken:
            return
        self._seen[job["id"]] = Seen(
            max(seen.version, version or 0),
            job["status"],
            job["counts"]["total"],
            {name: job["counts"][name] for name in ENDED},
            time.monotonic(),
        )
        if job["status"] in TERMINAL:
            self._ended[job["id"]].set()

    async def run(self, a_second: float) -> None:
        """Look at so many open jobs a second, at some by list, until canceled."""
        await asyncio.gather(*(self._look(LOOKERS / a_second) for _ in range(LOOKERS)), self._list())

    async def _look(self, pause_s: float) -> None:
        while True:
            jobs = self.open
            await asyncio.sleep(random.uniform(0.3, 1.7) * pause_s)
            if jobs:
                await self.look(random.choice(jobs[: max(20, len(jobs) // 2)]))

    async def look(self, job: str) -> None:
        """Look at one job once."""
        wait = {"wait": 2} if random.random() < 0.1 else {}
        asked_at = time.monotonic()
        try:
            answer = await self.client.once("GET", f"/v1/jobs/{job}", params=wait)
        except httpx.TransportError:
            return
        if answer.status_code == 404 and not self._ended[job].is_set():  # it may end and be deleted meanwhile
            self.violations.add(f"{job}: an acknowledged job is not found")
            self._ended[job].set()
        elif answer.status_code == 200:
            etag = answer.headers["etag"].removeprefix("W/").strip('"')
            self.take(answer.json(), asked_at, int(etag) if etag.isdigit() else None)

    async def _list(self) -> None:
        """Read lists too; they show many jobs at once."""
        while True:
            await asyncio.sleep(random.uniform(1.0, 3.0))
            if not self.open:
                continue
            asked_at = time.monotonic()
            try:
                answer = await self.client.once("GET", "/v1/jobs", params={"limit": 100})
            except httpx.TransportError:
                continue
            if answer.status_code == 200:
                for job in answer.json()["items"]:
                    self.take(job, asked_at)

    async def wait_for(self, jobs: Iterable[str], timeout_s: float) -> None:
        """Wait for the end of all of these.

        Raises:
            GaveUp: some do not end.
        """
        try:
            async with asyncio.timeout(timeout_s):
                for job in jobs:
                    await self.ended(job)
        except TimeoutError:
            raise GaveUp(f"{len(self.open)} jobs do not end: {self.open[:5]}") from None
