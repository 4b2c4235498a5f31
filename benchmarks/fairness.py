"""Whether one tenant's large job leaves room for others: `python -m benchmarks.fairness`, on a fresh local stack.

While a large job of one tenant runs, another tenant's 100 images, a job of high priority and single pictures are
sent; what they take is held against the time of one chunk. The exit code is 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import httpx

from benchmarks.__main__ import machine
from benchmarks.latency import Latency, measure_latency
from benchmarks.pictures import make_zip, png, samples
from benchmarks.service import Service, running_service
from shared.db import Database
from shared.keys.store import create_key

SMALL = 100
BLOCK = 1000
MOST_CHUNKS = 5.0
"""A few chunk times: so long another tenant's hundred images may take, and a job of high priority."""
MOST_MEDIAN_MS = 100.0
MILLION = 1_000_000


class Share(TypedDict):
    """How long small jobs took beside the large one: seconds, and the same in chunk times."""

    runs: list[float]
    median_s: float
    worst_s: float
    median_chunks: float
    worst_chunks: float


class Report(TypedDict):
    """All figures of one run."""

    machine: str
    load: float
    workers: int
    images: int
    images_per_s: float
    chunk_items: float
    chunk_s: float
    other_tenant: Share
    high_priority: Share
    overtaken: int
    idle: Latency
    saturated: list[Latency]
    missed: list[str]


def measure(options: argparse.Namespace) -> Report:
    """Start the stack, fill it, and send the others' work."""
    os.environ["INKQUEUE_MAX_ZIP_MEMBERS"] = str(max(200_000, options.images))
    os.environ["INKQUEUE_RATE_LIMIT_PREDICTIONS"] = "0"
    one_by_one = [png(sample.pixels) for sample in samples()][:100]
    small = make_zip(SMALL, None)
    with tempfile.TemporaryDirectory(prefix="inkqueue-bench-") as folder:
        archive = Path(folder) / "large.zip"
        write_large(archive, options.images)
        with running_service(options.workers) as service, callers(service, "large", "small") as (big, other):
            key = other.headers["Authorization"]
            idle = measure_latency(service, one_by_one, 1, options.requests, key)
            job = post(big, archive.read_bytes())
            wait_until_running(big, job)
            speed, chunk_items = pace(big, service, job)
            chunk_s = chunk_items * options.workers / speed
            others = [timed(other, small) for _ in range(options.runs)]
            overtaken, urgent = overtaking(big, small, options.runs)
            saturated = [
                measure_latency(service, one_by_one, n, options.requests, key) for n in options.clients
            ]
            left = state(big, job)["counts"]["pending"]
            big.post(f"/v1/jobs/{job}/cancel")
    if not left:
        raise RuntimeError("the large job ended too soon; give more --images")
    report: Report = {
        "machine": machine(),
        "load": round(os.getloadavg()[0], 1),
        "workers": options.workers,
        "images": options.images,
        "images_per_s": round(speed),
        "chunk_items": round(chunk_items, 1),
        "chunk_s": round(chunk_s, 3),
        "other_tenant": share(others, chunk_s),
        "high_priority": share(urgent, chunk_s),
        "overtaken": overtaken,
        "idle": idle,
        "saturated": saturated,
        "missed": [],
    }
    report["missed"] = missed(report)
    return report


def write_large(path: Path, images: int) -> None:
    """Write a zip of so many members, the same thousand pictures again and again."""
    with tempfile.TemporaryFile() as file:
        file.write(make_zip(BLOCK, None))
        with zipfile.ZipFile(file) as block:
            pictures = [block.read(name) for name in block.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(images):
            archive.writestr(f"{number:07}.png", pictures[number % BLOCK])


@contextmanager
def callers(service: Service, *tenants: str) -> Iterator[tuple[httpx.Client, ...]]:
    """Make a key for each tenant and lend a client that shows it."""
    url = service.urls["INKQUEUE_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
    database = Database(url, "tool", 1)
    keys = [create_key(database, tenant, ("admin",), tenant)[1] for tenant in tenants]
    database.close()
    clients = tuple(
        httpx.Client(
            base_url=service.url,
            trust_env=False,
            timeout=300.0,
            headers={"Authorization": f"Bearer {key.text}"},
        )
        for key in keys
    )
    wait_for_keys(clients[0])
    yield clients
    for client in clients:
        client.close()


def wait_for_keys(client: httpx.Client) -> None:
    """Wait until the API knows that there are keys now."""
    while client.get("/v1/keys").json()["items"] == []:
        time.sleep(0.1)


def post(client: httpx.Client, data: bytes, **options: str) -> str:
    """Submit a zip; return the job's id."""
    headers = {"Content-Type": "application/zip"}
    answer = client.post("/v1/jobs", content=data, params=options, headers=headers).raise_for_status()
    return str(answer.json()["id"])


def state(client: httpx.Client, job: str, wait: int = 0) -> dict[str, Any]:
    """Return a job as it is now, or when it has ended."""
    found: dict[str, Any] = client.get(f"/v1/jobs/{job}", params={"wait": wait}).raise_for_status().json()
    return found


def wait_until_running(client: httpx.Client, job: str) -> None:
    """Wait until the first chunks of a job are done, so that every worker has one in hand."""
    while state(client, job)["counts"]["succeeded"] < BLOCK:
        time.sleep(0.05)


def pace(client: httpx.Client, service: Service, job: str, seconds: float = 4.0) -> tuple[float, float]:
    """Return the images a second of a job while it has the machine for itself, and the images of one chunk."""
    before, since = state(client, job)["counts"]["pending"], time.monotonic()
    time.sleep(seconds)
    after, took = state(client, job)["counts"]["pending"], time.monotonic() - since
    metrics = httpx.get(f"{service.url}/metrics", trust_env=False).raise_for_status()
    chunks = [line for line in metrics.text.splitlines() if "bulk" in line]
    figures = {line.split(" ")[0]: float(line.split(" ")[1]) for line in chunks}
    items = figures['inkqueue_backlog_items{lane="bulk"}']
    open_chunks = sum(value for name, value in figures.items() if name.startswith("inkqueue_chunks{"))
    return (before - after) / took, items / open_chunks


def timed(client: httpx.Client, data: bytes, **options: str) -> float:
    """Return the seconds from the POST of a job to its end."""
    began = time.perf_counter()
    job = post(client, data, **options)
    while state(client, job, wait=60)["finished_at"] is None:
        pass
    return time.perf_counter() - began


def overtaking(client: httpx.Client, data: bytes, runs: int) -> tuple[int, list[float]]:
    """Send jobs of normal priority behind the tenant's own large one, then urgent ones; return who was overtaken.

    The urgent ones are measured; of the others all must still wait when the last urgent one has ended.
    """
    waiting = [post(client, data) for _ in range(runs)]
    urgent = [timed(client, data, priority="high") for _ in range(runs)]
    behind = sum(state(client, job)["finished_at"] is None for job in waiting)
    for job in waiting:
        client.post(f"/v1/jobs/{job}/cancel")
    return behind, urgent


def share(runs: list[float], chunk_s: float) -> Share:
    """Sum up how long jobs took."""
    median, worst = statistics.median(runs), max(runs)
    return {
        "runs": [round(one, 3) for one in runs],
        "median_s": round(median, 3),
        "worst_s": round(worst, 3),
        "median_chunks": round(median / chunk_s, 2),
        "worst_chunks": round(worst / chunk_s, 2),
    }


def missed(report: Report) -> list[str]:
    """Return the bars that were missed."""
    found = []
    for name, one in (("another tenant", report["other_tenant"]), ("high priority", report["high_priority"])):
        if one["worst_chunks"] > MOST_CHUNKS:
            found.append(f"{name}: {one['worst_chunks']} chunk times, at most {MOST_CHUNKS:g}")
    if report["overtaken"] < len(report["high_priority"]["runs"]):
        found.append(f"high priority overtook only {report['overtaken']} jobs")
    medians = [one["p50_ms"] for one in report["saturated"]]
    return found + [
        f"predict: median {ms} ms, below {MOST_MEDIAN_MS:g}" for ms in medians if ms >= MOST_MEDIAN_MS
    ]


def text(report: Report) -> str:
    """Return the figures for people."""
    lines = [
        f"machine              {report['machine']}; load {report['load']:g}",
        f"large job            {report['images']:,} images of one tenant, {report['workers']} bulk workers:"
        f" {report['images_per_s']:,.0f} images/s, chunks of {report['chunk_items']:g} images,"
        f" {report['chunk_s']:g} s each",
    ]
    for name, one in (("another's 100", report["other_tenant"]), ("own 100, high", report["high_priority"])):
        lines.append(
            f"{name:<20} {one['median_s']} s (worst {one['worst_s']}) from POST to end:"
            f" {one['median_chunks']} chunk times (worst {one['worst_chunks']}; at most {MOST_CHUNKS:g})"
        )
    lines.append(
        f"overtaken            {report['overtaken']} of {len(report['high_priority']['runs'])} jobs before"
    )
    lines += [
        f"predict, {name:<11} {one['concurrency']} client(s): p50 {one['p50_ms']} ms, p95 {one['p95_ms']} ms,"
        f" p99 {one['p99_ms']} ms, {one['per_s']:g}/s"
        for name, one in [("idle", report["idle"]), *(("saturated", one) for one in report["saturated"])]
    ]
    return "\n".join([*lines, *(f"MISSED               {one}" for one in report["missed"])])


def main() -> None:
    """Measure and print; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description=__doc__)
    parser.add_argument("--images", type=int, default=100_000, help="images of the large job")
    parser.add_argument("--million", action="store_true", help="a large job of a million images")
    parser.add_argument("--workers", type=int, default=2, help="bulk workers")
    parser.add_argument("--runs", type=int, default=5, help="small jobs of each kind")
    parser.add_argument("--requests", type=int, default=200, help="single images at each number of clients")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4], help="numbers of clients at once")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    options.images = MILLION if options.million else options.images
    report = measure(options)
    sys.stdout.write((json.dumps(report, indent=2) if options.json else text(report)) + "\n")
    raise SystemExit(1 if report["missed"] else 0)


if __name__ == "__main__":
    main()
