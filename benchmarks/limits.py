"""What limits cost: the same requests through API processes with and without them, in turns, on one fresh stack.

Run it by `python -m benchmarks.limits`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx

from benchmarks.pictures import png, samples
from benchmarks.service import Service, running_service
from inkqueue.local.redis import free_port

MUCH = "1000000000"
RATES = {f"INKQUEUE_RATE_LIMIT_{name}": MUCH for name in ("REQUESTS", "SUBMISSIONS", "PREDICTIONS")}
NO_QUOTAS = dict.fromkeys(
    (
        "INKQUEUE_QUOTA_OPEN_JOBS",
        "INKQUEUE_QUOTA_WAITING_ITEMS",
        "INKQUEUE_QUOTA_STORED_BYTES",
        "INKQUEUE_QUOTA_UPLOADS",
        "INKQUEUE_MAX_BACKLOG_ITEMS",
    ),
    "0",
)
VARIANTS = {
    "nothing": NO_QUOTAS,
    "rates": {**NO_QUOTAS, **RATES, "INKQUEUE_RATE_LIMIT_OPEN": "true"},
    "quotas": {},
    "quotas, always under the lock": {"INKQUEUE_QUOTA_OPEN_JOBS": "1000"},
}


@contextmanager
def api(service: Service, more: dict[str, str]) -> Iterator[str]:
    """Run a further API process on the stack's servers; lend its address."""
    port = free_port()
    env = {**os.environ, **service.urls, **more, "INKQUEUE_PORT": str(port), "INKQUEUE_LOG_LEVEL": "WARNING"}
    process = subprocess.Popen([sys.executable, "-m", "api"], env=env, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                if httpx.get(f"{url}/healthz").is_success:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def per_second(
    url: str, clients: int, seconds: float, ask: Callable[[httpx.Client], httpx.Response]
) -> float:
    """Ask from some clients for a while; return answers a second.

    Raises:
        RuntimeError: an answer was an error, so that nothing worth telling was measured.
    """
    counts, failed = [0] * clients, []
    end = time.monotonic() + seconds

    def client(k: int) -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
            while time.monotonic() < end:
                answer = ask(http)
                if not answer.is_success:
                    failed.append(answer.text)
                    return
                counts[k] += 1

    threads = [threading.Thread(target=client, args=(k,)) for k in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(failed[0])
    return sum(counts) / seconds


def measure(rounds: int, seconds: float, clients: int) -> dict[str, dict[str, float]]:
    """Return answers a second by call and variant, medians over the rounds."""
    image = png(next(samples())[0])
    kind = {"Content-Type": "image/png"}
    found: dict[str, dict[str, list[float]]] = {}
    with running_service(1) as service, ExitStack() as stack:
        urls = {name: stack.enter_context(api(service, more)) for name, more in VARIANTS.items()}
        job = httpx.post(f"{service.url}/v1/jobs", content=image, headers=kind).json()["links"]["self"]
        calls: dict[str, Callable[[httpx.Client], httpx.Response]] = {
            "GET job": lambda http: http.get(job),
            "POST predict": lambda http: http.post("/v1/predict", content=image, headers=kind),
            "POST jobs": lambda http: http.post("/v1/jobs", content=image, headers=kind),
        }
        for _ in range(rounds):
            for call, ask in calls.items():
                for name, url in urls.items():
                    rate = per_second(url, clients, seconds, ask)
                    found.setdefault(call, {}).setdefault(name, []).append(rate)
    return {
        call: {name: round(statistics.median(rates), 1) for name, rates in variants.items()}
        for call, variants in found.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--clients", type=int, default=4)
    given = parser.parse_args()
    found = measure(given.rounds, given.seconds, given.clients)
    for call, rates in found.items():
        base = rates["nothing"]
        print(call)
        for name, rate in rates.items():
            print(f"  {name:32} {rate:8.1f} a second   {rate / base:.3f}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
