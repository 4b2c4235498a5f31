"""Kill, freeze and flush while jobs run, then count: `python -m benchmarks.chaos`, or `make chaos`.

Ends with 0 when every job that was acknowledged has every item once and in order, whatever was done to it.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import redis

from benchmarks.pictures import make_zip
from benchmarks.service import Service, running_service
from inkqueue.local.home import Home

LEASE_S = 4.0
FROZEN_S = (0.5, 2.5 * LEASE_S)
DONE_S = 180.0
ANSWER_S = 60.0


class Chaos:
    """The faults, and what they are done to."""

    def __init__(self, service: Service, chance: random.Random) -> None:
        """Act on this service, by this chance."""
        self.service, self.chance = service, chance
        self.thaw_at: list[tuple[float, psutil.Process]] = []
        self.faults: dict[str, Callable[[], None]] = {
            "kill a worker's child": lambda: self._signal(self._child("worker"), signal.SIGKILL),
            "kill a worker": lambda: self._signal(self._process("worker"), signal.SIGKILL),
            "freeze a worker's child": lambda: self._freeze(self._child("worker")),
            "freeze a worker": lambda: self._freeze(self._process("worker")),
            "kill the steward": lambda: self._signal(self._process("steward"), signal.SIGKILL),
            "kill the API": lambda: self._signal(self._process("api"), signal.SIGKILL),
            "kill Redis": lambda: self._signal(self._process("redis"), signal.SIGKILL),
            "FLUSHALL": self._flush,
            "kill PostgreSQL": lambda: self._signal(self._process("postgres"), signal.SIGKILL),
        }

    def strike(self) -> str:
        """Do one fault; return its name."""
        name = self.chance.choice(list(self.faults))
        try:
            self.faults[name]()
        except (psutil.Error, redis.RedisError, IndexError):
            return f"{name} (it was down already)"
        return name

    def thaw(self, *, everything: bool = False) -> None:
        """Let frozen processes go on when their time has come."""
        due = [entry for entry in self.thaw_at if everything or entry[0] < time.monotonic()]
        self.thaw_at = [entry for entry in self.thaw_at if entry not in due]
        for _, process in due:
            self._signal(process, signal.SIGCONT)

    def _freeze(self, process: psutil.Process) -> None:
        process.send_signal(signal.SIGSTOP)
        self.thaw_at.append((time.monotonic() + self.chance.uniform(*FROZEN_S), process))

    def _flush(self) -> None:
        with redis.Redis.from_url(self.service.urls["INKQUEUE_REDIS_URL"], socket_timeout=2.0) as client:
            client.flushall()

    def _process(self, role: str) -> psutil.Process:
        running = Home(self.service.home).recorded()
        pids = [pid for name, (pid, _) in running.items() if name.startswith(role)]
        return psutil.Process(self.chance.choice(pids))

    def _child(self, role: str) -> psutil.Process:
        return self.chance.choice(self._process(role).children())

    @staticmethod
    def _signal(process: psutil.Process, number: signal.Signals) -> None:
        if process.is_running():
            process.send_signal(number)


def patient(call: Callable[[], httpx.Response]) -> httpx.Response:
    """Repeat a call while the service is down.

    Raises:
        RuntimeError: it stays down, or refuses.
    """
    end = time.monotonic() + ANSWER_S
    while time.monotonic() < end:
        try:
            answer = call()
        except httpx.TransportError:
            time.sleep(0.2)
            continue
        if answer.status_code < 500:
            return answer.raise_for_status()
        time.sleep(0.2)
    raise RuntimeError("the service did not come back")


def submit(client: httpx.Client, data: bytes, number: int) -> str:
    """Submit a job; the key makes a repeat harmless."""
    headers = {"Content-Type": "application/zip", "Idempotency-Key": f"chaos-{number}"}
    answer = patient(lambda: client.post("/v1/jobs", content=data, headers=headers))
    return str(answer.json()["id"])


def verdict(client: httpx.Client, job_id: str, total: int) -> str | None:
    """Wait for the end of a job; return what is wrong with it, None when nothing is."""
    end = time.monotonic() + DONE_S
    job: dict[str, Any] = {}
    while time.monotonic() < end and not job.get("finished_at"):
        job = patient(lambda: client.get(f"/v1/jobs/{job_id}", params={"wait": 5})).json()
    counts = job["counts"]
    if counts["total"] != total or counts["succeeded"] != total:
        return f"{job['status']}: {counts}"
    text = patient(lambda: client.get(f"/v1/jobs/{job_id}/results", params={"format": "csv"})).text
    found = [line.partition(",")[0] for line in text.splitlines()[1:]]
    return (
        None if found == [str(seq) for seq in range(total)] else "items are missing, doubled or out of order"
    )


def run(options: argparse.Namespace) -> int:
    """Run jobs under faults; return how many of them came out wrong."""
    data = make_zip(options.images, None)
    os.environ["INKQUEUE_LEASE_S"] = str(LEASE_S)
    with (
        running_service(options.workers) as service,
        httpx.Client(base_url=service.url, trust_env=False) as client,
    ):
        client.timeout = httpx.Timeout(30.0)
        chaos = Chaos(service, random.Random(options.seed))
        jobs = []
        for number in range(options.faults):
            jobs.append(submit(client, data, number))
            say(f"job {number + 1}: {chaos.strike()}")
            time.sleep(chaos.chance.uniform(0.2, 2.0))
            chaos.thaw()
        chaos.thaw(everything=True)
        wrong = 0
        for number, job_id in enumerate(jobs, 1):
            trouble = verdict(client, job_id, options.images)
            wrong += trouble is not None
            if trouble:
                say(f"job {number} ({job_id}) is wrong: {trouble}")
    say(f"{len(jobs)} jobs of {options.images} images under {options.faults} faults: {wrong} wrong")
    return wrong


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def main() -> None:
    """Run; exit with 1 when a job came out wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=25, help="faults, and jobs")
    parser.add_argument("--images", type=int, default=2000, help="images of each job")
    parser.add_argument("--workers", type=int, default=2, help="bulk workers")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run")
    sys.exit(1 if run(parser.parse_args()) else 0)


if __name__ == "__main__":
    main()
