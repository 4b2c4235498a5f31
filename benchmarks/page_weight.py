"""Measure what the pages weigh and when they show something: `python -m benchmarks.page_weight [URL]`.

Bytes are those of the network (headers included, as Chromium's `Network.loadingFinished` counts them) on a first visit
with an empty cache; the first paint is the paint entry `first-contentful-paint`. Needs Chromium and Playwright.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import dataclass

import httpx
from playwright.sync_api import Browser, CDPSession

from benchmarks.pictures import make_zip
from benchmarks.service import running_service
from tests.page.chromium import running

MOST_BYTES = 300_000
MOST_PAINT_MS = 1000
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity"
JOBS = 60


@dataclass(frozen=True, slots=True)
class Weight:
    """What one first visit took: bytes over the network, answers, milliseconds to the first paint."""

    bytes: int
    answers: int
    paint_ms: float


def weigh(browser: Browser, url: str) -> Weight:
    """Visit a page with an empty cache and wait until the network rests."""
    context = browser.new_context()
    page = context.new_page()
    finished: list[float] = []
    session = context.new_cdp_session(page)
    _listen(session, finished)
    page.goto(url, wait_until="networkidle")
    paint: float = page.evaluate(_PAINT)
    context.close()
    return Weight(round(sum(finished)), len(finished), paint)


def _listen(session: CDPSession, finished: list[float]) -> None:
    session.on("Network.loadingFinished", lambda event: finished.append(event["encodedDataLength"]))
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})


def pages_of(url: str) -> list[str]:
    """Submit some jobs where there are none; return the paths worth weighing."""
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
        if not http.get("/v1/jobs").json()["items"]:
            for number in range(JOBS):
                data = {"name": f"Ballots {number}"}
                http.post("/v1/jobs", files={"files": ("a.zip", make_zip(20, None))}, data=data)
        job = http.get("/v1/jobs").json()["items"][0]["id"]
        http.get(f"/v1/jobs/{job}?wait=60")
    tails = ["", "/results", "/review", "/code"]
    return ["/", "/try", "/jobs", *(f"/jobs/{job}{tail}" for tail in tails), "/models", "/system", "/tour"]


def main() -> None:
    """Print a table; end with 1 when the jobs page is over its bars."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url", nargs="?", help="a running service without keys; else one is started")
    parser.add_argument("--visits", type=int, default=5)
    options = parser.parse_args()
    if options.url:
        sys.exit(report(options.url.rstrip("/"), options.visits))
    with running_service(2) as service:
        sys.exit(report(service.url, options.visits))


def report(url: str, visits: int) -> int:
    """Visit each page several times; return the exit status."""
    over = 0
    sys.stdout.write(
        "| page | kB over the network | answers | first contentful paint, median ms |\n|---|---|---|---|\n"
    )
    with running() as browser:
        weigh(browser, f"{url}/jobs")  # the first visit warms the service up
        for path in pages_of(url):
            found = [weigh(browser, url + path) for _ in range(visits)]
            paint = statistics.median(one.paint_ms for one in found)
            most = max(one.bytes for one in found)
            shown = path if len(path) < 20 else "/jobs/…" + path.partition("job_")[2][32:]
            sys.stdout.write(f"| `{shown}` | {most / 1000:.1f} | {found[0].answers} | {paint:.0f} |\n")
            over |= path == "/jobs" and (most > MOST_BYTES or paint > MOST_PAINT_MS)
    return int(over)


if __name__ == "__main__":
    main()
