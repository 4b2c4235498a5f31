"""The pictures that README shows, made of the real pages at work; kept in docs/images when README_IMAGES is set.

`README_IMAGES=1 python -m pytest tests/page/test_screenshots.py` renews them.
"""

from __future__ import annotations

import io
import itertools
import math
import os
import re
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.page.conftest import ROOT, Site
from tests.page.jobs import NOBODY_PROMISES, digits_zip, mixed_zip, read_job
from tests.page.test_try import draw
from tests.page.visit import Visit, expect
from tests.worker.files import sample_digits

IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 150_000
SLOW_MS = 30_000
SIZE = {"width": 1200, "height": 760}


THREE = [
    (0.5 + radius * math.cos(angle / 12 * math.pi), centre + radius * math.sin(angle / 12 * math.pi))
    for centre, radius, first, last in ((0.35, 0.15, -11, 6), (0.66, 0.17, -6, 11))
    for angle in range(first, last + 1)
]
"""A round three, as places on the sheet."""


class Camera:
    """Takes pictures of one window, small enough for a README."""

    def __init__(self, visit: Visit, folder: Path) -> None:
        self.page = visit.page
        self.page.set_viewport_size(SIZE)  # type: ignore[arg-type]  # a TypedDict in Playwright's stubs
        self._visit, self._folder = visit, folder

    def shoot(self, name: str) -> None:
        """Take one picture, with 256 colours."""
        taken = Image.open(self._visit.shot(f"readme-{name}", full=False)).convert("RGB")
        small = taken.quantize(256, dither=Image.Dither.NONE)
        path = self._folder / f"{name}.png"
        small.save(path, optimize=True)
        assert 5_000 < path.stat().st_size < MOST_BYTES, path.name


@pytest.fixture
def camera(live_visit: Visit, tmp_path: Path) -> Camera:
    """Put the pictures into docs/images when that is asked for, else where nobody sees them."""
    folder = IMAGES if os.environ.get("README_IMAGES") else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    return Camera(live_visit, folder)


@pytest.mark.timeout(300)
def test_submit_try_and_a_running_job(camera: Camera, live_visit: Visit, live: Site) -> None:
    """The first page with files chosen, a drawn digit with its answer, and a job at half of its way."""
    page = live_visit.open("/")
    page.locator("input[type=file]").first.set_input_files(
        [
            {"name": "ballots-17.zip", "mimeType": "application/zip", "buffer": mixed_zip(200)},
            {"name": "letter.txt", "mimeType": "text/plain", "buffer": b"no image"},
        ]
    )
    expect(page.get_by_text(re.compile(r"2\d\d images")).first).to_be_visible()
    camera.shoot("submit")
    live_visit.open("/try")
    draw(page, THREE)
    expect(page.locator("#pixels img")).to_be_visible(timeout=SLOW_MS)
    page.mouse.move(5, 5)
    camera.shoot("try")
    made = live.client.post("/v1/jobs", files={"files": ("a.zip", many(10_000))}, data={"name": "Ballots 17"})
    live_visit.open(made.json()["links"]["page"])
    expect(page.locator("#read")).to_have_text(re.compile(r"[4-9],\d{3} of 10,000"), timeout=120_000)
    camera.shoot("job")
    live.client.post(made.json()["links"]["cancel"])


@pytest.mark.timeout(300)
def test_results_and_review(camera: Camera, live_visit: Visit, live: Site) -> None:
    """The gallery of a finished job, and the first wall of another that is looked through whole."""
    job = read_job(live.client, mixed_zip(200), name="Ballots 17", target_error="0.0001")
    page = live_visit.open(f"/jobs/{job['id']}/results")
    drawn(page)
    camera.shoot("results")
    doubtful = read_job(live.client, digits_zip(400), name="Ballots 18", target_error=NOBODY_PROMISES)
    live_visit.open(f"/jobs/{doubtful['id']}/review")
    page.locator("#reviewer").fill("anna")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#stage canvas").first).to_be_visible(timeout=SLOW_MS)
    drawn(page)
    camera.shoot("review")


def drawn(page: Page) -> None:
    """Wait until no picture in view is still to come."""
    page.wait_for_load_state("networkidle")
    expect(page.locator("canvas.to-come:visible")).to_have_count(0, timeout=SLOW_MS)


def many(count: int) -> bytes:
    """Return a zip of so many digits, the samples again and again."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, data in zip(range(count), itertools.cycle(sample_digits(500).values()), strict=False):
            archive.writestr(f"{number:05}.png", data)
    return out.getvalue()
