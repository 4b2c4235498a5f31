"""Images a second from the start of the POST to the job's end, with the limit of the machine beside it."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TypedDict

import httpx

from benchmarks.limit import limit_processes, measure_limit
from benchmarks.service import Service


class Throughput(TypedDict):
    """All runs, images a second; `ratio` is the median of the ratios of neighbouring runs."""

    images: int
    processes: int
    runs: list[float]
    limits: list[float]
    median: float
    limit: float
    ratio: float
    accuracy: float


def measure_throughput(service: Service, archive: Path, runs: int, processes: int) -> Throughput:
    """Alternate between the service and the limit, so that a busy machine slows both."""
    speeds, limits = [], []
    data = archive.read_bytes()
    with httpx.Client(base_url=service.url, trust_env=False, timeout=300.0) as client:
        with limit_processes(processes, archive) as ends:
            submit(client, data)  # the first run of both warms caches and is thrown away
            measure_limit(ends)
            for _ in range(runs):
                limits.append(measure_limit(ends))
                began = time.perf_counter()
                job = submit(client, data)
                speeds.append(job["counts"]["total"] / (time.perf_counter() - began))
        images, accuracy = job["counts"]["total"], check(client, job)
    ratios = [speed / limit for speed, limit in zip(speeds, limits, strict=True)]
    return {
        "images": images,
        "processes": processes,
        "runs": [round(speed) for speed in speeds],
        "limits": [round(limit) for limit in limits],
        "median": round(statistics.median(speeds)),
        "limit": round(statistics.median(limits)),
        "ratio": round(statistics.median(ratios), 3),
        "accuracy": round(accuracy, 5),
    }


def submit(client: httpx.Client, data: bytes) -> dict[str, dict[str, int]]:
    """Submit the zip and wait for the end of the job, which is when its last rows are committed.

    Raises:
        RuntimeError: the job ended with anything but success.
    """
    answer = client.post("/v1/jobs", content=data, headers={"Content-Type": "application/zip"})
    answer.raise_for_status()
    job = answer.json()
    while job["finished_at"] is None:
        job = client.get(f"/v1/jobs/{job['id']}", params={"wait": 60}).raise_for_status().json()
    if job["status"] != "succeeded":
        raise RuntimeError(f"the job ended as {job['status']}: {job['counts']}")
    found: dict[str, dict[str, int]] = job
    return found


def check(client: httpx.Client, job: dict[str, dict[str, int]]) -> float:
    """Read all results back; return the share of right answers.

    Raises:
        RuntimeError: an item is missing, doubled or out of order.
    """
    text = client.get(f"/v1/jobs/{job['id']}/results", params={"format": "csv"}).raise_for_status().text
    header, *rows = [line.split(",") for line in text.splitlines()]
    seq, name, prediction = header.index("seq"), header.index("name"), header.index("prediction")
    if [row[seq] for row in rows] != [str(n) for n in range(job["counts"]["total"])]:
        raise RuntimeError("results are not every item once and in order")
    return sum(row[prediction] == row[name].rpartition("_")[2].partition(".")[0] for row in rows) / len(rows)
