"""What reviewing costs: grid, contact sheets and reviews of a large job (`python -m benchmarks.reviewing`)."""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import statistics
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.service import running_service

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "digits.zip"
TRIES = 12
_DIGIT = re.compile(r"digits/\d{4}_\d\.png")


def submit(http: httpx.Client, images: int) -> str:
    """Let a job of so many small images be read; return its address."""
    with zipfile.ZipFile(SAMPLES) as samples:
        digits = [samples.read(name) for name in samples.namelist() if _DIGIT.fullmatch(name)]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n in range(images):
            archive.writestr(f"{n:06d}.png", digits[n % len(digits)])
    made = http.post("/v1/jobs", content=out.getvalue(), headers={"Content-Type": "application/zip"})
    job = f"/v1/jobs/{made.raise_for_status().json()['id']}"
    while http.get(f"{job}?wait=60").raise_for_status().json()["finished_at"] is None:
        pass
    return job


def milliseconds(call: Callable[[int], httpx.Response], tries: int = TRIES) -> dict[str, float]:
    """Return median and best of some calls."""
    times = []
    for n in range(tries):
        began = time.perf_counter()
        call(n).raise_for_status()
        times.append((time.perf_counter() - began) * 1000)
    return {"median_ms": round(statistics.median(times), 1), "best_ms": round(min(times), 1)}


@contextmanager
def storm(url: str, job: str, images: int) -> Iterator[None]:
    """Ask for sheets that nobody has drawn, from four clients at once."""
    over = threading.Event()

    def ask(seed: int) -> None:
        draw = random.Random(seed)
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
            while not over.is_set():
                seqs = ",".join(map(str, draw.sample(range(images), 500)))
                http.get(f"{job}/sheets", params={"seqs": seqs})

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def measure(url: str, images: int) -> dict[str, object]:
    """Measure one service."""
    draw = random.Random(1)
    sheets = iter(range(images // 500))
    image = zipfile.ZipFile(SAMPLES).read("digits/0000_2.png")
    headers = {"Content-Type": "image/png"}
    with httpx.Client(base_url=url, trust_env=False, timeout=120) as http:
        job = submit(http, images)

        def chosen(_: int) -> httpx.Response:
            seqs = ",".join(map(str, draw.sample(range(images), 500)))
            return http.get(f"{job}/sheets", params={"seqs": seqs})

        def one(n: int) -> httpx.Response:
            return http.put(f"{job}/items/{n * 7}/reviews/anna", json={"value": "7"})

        def many(n: int) -> httpx.Response:
            items = [{"seq": seq, "value": "3"} for seq in range(n * 1000, (n + 1) * 1000)]
            return http.post(f"{job}/reviews", json={"reviewer": "ben", "items": items})

        def predict(_: int) -> httpx.Response:
            return http.post("/v1/predict", content=image, headers=headers)

        found: dict[str, object] = {
            "images": images,
            "grid": milliseconds(lambda _: http.get(f"{job}/grid")),
            "sheet_fresh": milliseconds(lambda _: http.get(f"{job}/sheets/{next(sheets)}")),
            "sheet_kept": milliseconds(lambda n: http.get(f"{job}/sheets/{n}")),
            "sheet_of_chosen_seqs": milliseconds(chosen),
            "predict_alone": milliseconds(predict, 100),
        }
        with storm(url, job, images):
            found["predict_in_a_storm_of_sheets"] = milliseconds(predict, 100)
        found["review"] = milliseconds(one, 200)
        found["reviews_a_thousand"] = milliseconds(many)
        found["grid_with_12000_reviews"] = milliseconds(lambda _: http.get(f"{job}/grid"))
        found["summary_of_reviews"] = milliseconds(lambda _: http.get(f"{job}/reviews"))
    return found


def main() -> None:
    """Start a service unless there is one, measure, tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reviewing", description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--url", help="a running service without keys instead of a fresh one")
    options = parser.parse_args()
    if options.url:
        found = measure(options.url, options.images)
    else:
        with running_service(2) as service:
            found = measure(service.url, options.images)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
