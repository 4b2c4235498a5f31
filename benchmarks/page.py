"""Measure the pages in Chromium: a hundred thousand results, when they are there and how they scroll, and reviewing."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from typing import TypedDict

import httpx
from playwright.sync_api import Page, sync_playwright

from benchmarks.page_look import READY, Scrolled, filter_ms, ready_ms, scrolled
from benchmarks.pictures import make_zip
from benchmarks.service import running_service

READ_S = 900.0
DECISIONS = 60


class Report(TypedDict):
    """Figures of one run; `looks` holds the milliseconds until every picture in view was there, run by run."""

    images: int
    read_s: float
    looks: list[float]
    scroll: Scrolled
    narrow_ms: float
    sort_ms: float
    decisions_per_minute: float


def measure(images: int, looks: int, workers: int) -> Report:
    """Start a fresh service, have a zip read, and look at it as a person does."""
    archive = make_zip(images, None)
    with running_service(workers) as service, httpx.Client(base_url=service.url, timeout=120.0) as client:
        began = time.perf_counter()
        job = read(client, archive, {})
        read_s = time.perf_counter() - began
        doubtful = read(client, make_zip(DECISIONS + 10, None), {"target_error": "0.000000001"})
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            address = f"{service.url}/jobs/{job}/results"
            seen: list[float] = []
            for _ in range(looks):
                page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
                page.add_init_script(READY)
                page.goto(address)
                seen.append(round(ready_ms(page)))
            scroll = scrolled(page)
            narrow_ms, sort_ms = filter_ms(page, "review"), sorting_ms(page)
            rate = reviewing(browser.new_page(), f"{service.url}/jobs/{doubtful}/review?view=single")
            browser.close()
    return {
        "images": images,
        "read_s": round(read_s, 1),
        "looks": seen,
        "scroll": scroll,
        "narrow_ms": round(narrow_ms, 1),
        "sort_ms": round(sort_ms, 1),
        "decisions_per_minute": round(rate),
    }


def read(client: httpx.Client, archive: bytes, options: dict[str, str]) -> str:
    """Submit a zip and wait for its end; return the job's id."""
    headers = {"Content-Type": "application/zip"}
    answer = client.post("/v1/jobs", content=archive, params=options, headers=headers).raise_for_status()
    job: str = answer.json()["id"]
    end = time.monotonic() + READ_S
    while time.monotonic() < end:
        if client.get(f"/v1/jobs/{job}", params={"wait": 60}).json()["finished_at"]:
            return job
    raise RuntimeError("The job did not end in time.")


def sorting_ms(page: Page) -> float:
    """Return how long all items take to be sorted by confidence, until they are painted."""
    page.locator("#clear").click()
    found: float = page.evaluate(
        """async () => {
          const list = document.querySelector("#sort");
          const began = performance.now();
          list.value = "unsure";
          list.dispatchEvent(new Event("change"));
          await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
          return performance.now() - began;
        }"""
    )
    return found


def reviewing(page: Page, address: str) -> float:
    """Take decisions by keys until the service has them all; return how many a minute that is."""
    page.goto(address)
    page.get_by_label("Your name").fill("anna")
    page.keyboard.press("Enter")
    page.locator(".context").wait_for()
    began = time.perf_counter()
    for n in range(DECISIONS):
        page.keyboard.press(str(n % 10))
        page.locator("#mine", has_text=f"{n + 1} of").wait_for()
    page.locator("#unsaved", has_text="All saved").wait_for()
    return DECISIONS / (time.perf_counter() - began) * 60


def text(report: Report) -> str:
    """Return the figures for people."""
    scroll = report["scroll"]
    looks = ", ".join(f"{ms:,.0f}" for ms in report["looks"])
    return "\n".join(
        [
            f"results of {report['images']:,}   there with all pictures in view after {looks} ms"
            f" (read in {report['read_s']} s)",
            f"scrolling            {scroll['frames']} frames, the longest {scroll['worst_ms']:.0f} ms;"
            f" {scroll['blank']} with blank rows, {scroll['waiting']} with a picture to come",
            f"narrowing, sorting   {report['narrow_ms']} ms, {report['sort_ms']} ms",
            f"reviewing by keys    {report['decisions_per_minute']} decisions a minute, confirmed by the service",
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--images", type=int, default=100_000, help="images of the job")
    parser.add_argument("--looks", type=int, default=3, help="how often the page is opened")
    parser.add_argument("--workers", type=int, default=1, help="bulk workers")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    report = measure(options.images, options.looks, options.workers)
    sys.stdout.write((json.dumps(report, indent=2) if options.json else text(report)) + "\n")


if __name__ == "__main__":
    main()
