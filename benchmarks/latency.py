"""How long one image takes through the queue: `POST /v1/predict` over kept-alive connections."""

from __future__ import annotations

import statistics
import threading
import time
from typing import TypedDict

import httpx

from benchmarks.service import Service

WARM_UP = 20


class Latency(TypedDict):
    """Milliseconds of one image, seen by the client, at a number of clients at once."""

    concurrency: int
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    per_s: float


def measure_latency(
    service: Service, images: list[bytes], concurrency: int, requests: int, authorization: str | None = None
) -> Latency:
    """Send images one after the other from each of some clients."""
    headers = {"Authorization": authorization} if authorization else {}
    times: list[float] = []
    lock = threading.Lock()
    start = threading.Barrier(concurrency + 1)

    def client() -> None:
        mine = []
        with httpx.Client(base_url=service.url, trust_env=False, timeout=60.0, headers=headers) as http:
            for number in range(WARM_UP):
                predict(http, images[number % len(images)])
            start.wait()
            for number in range(requests // concurrency):
                began = time.perf_counter()
                predict(http, images[number % len(images)])
                mine.append(time.perf_counter() - began)
        with lock:
            times.extend(mine)

    threads = [threading.Thread(target=client) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - began
    cuts = statistics.quantiles(times, n=100)
    return {
        "concurrency": concurrency,
        "requests": len(times),
        "p50_ms": round(cuts[49] * 1000, 2),
        "p95_ms": round(cuts[94] * 1000, 2),
        "p99_ms": round(cuts[98] * 1000, 2),
        "per_s": round(len(times) / took_s, 1),
    }


def predict(client: httpx.Client, image: bytes) -> None:
    """Have one image read."""
    answer = client.post("/v1/predict", content=image, headers={"Content-Type": "image/png"})
    answer.raise_for_status()
