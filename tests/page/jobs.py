"""Jobs that pages show, read by real workers."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import httpx
from PIL import Image

from tests.services import wait_for
from tests.worker.files import SAMPLES, sample_digits, tiff_of

HOSTILE = "<img src=x onerror=alert(1)>.png"
NOBODY_PROMISES = "0.000000001"
"""A target that no model reaches, so that everything needs a look."""


def mixed_zip(digits: int) -> bytes:
    """Return a zip of real digits, a blank, a TIFF of two pages, and files that fail or are skipped."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in sample_digits(digits).items():
            archive.writestr(name, data)
        archive.writestr(HOSTILE, (SAMPLES / "three.png").read_bytes())
        archive.writestr("blank.png", (SAMPLES / "blank.png").read_bytes())
        archive.writestr("pages.tif", tiff_of(2))
        archive.writestr("cut.png", (SAMPLES / "three.png").read_bytes()[:20])
        archive.writestr("empty.png", b"")
        archive.writestr("notes.txt", b"notes")
    return out.getvalue()


def digits_zip(count: int) -> bytes:
    """Return a zip of real digits."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in sample_digits(count).items():
            archive.writestr(name, data)
    return out.getvalue()


def page_of_writing() -> bytes:
    """Return a scan larger than a screen, as a JPEG."""
    digit = Image.open(SAMPLES / "three.png").convert("L").resize((900, 900))
    out = io.BytesIO()
    digit.save(out, "JPEG")
    return out.getvalue()


def read_job(client: httpx.Client, data: bytes, **options: str) -> dict[str, Any]:
    """Submit a zip, wait for its end, return the job."""
    headers = {"Content-Type": "application/zip"}
    answer = client.post("/v1/jobs", content=data, params=options, headers=headers)
    assert answer.status_code == 202, answer.text
    path = answer.json()["links"]["self"]
    wait_for(lambda: client.get(path).json()["finished_at"], "the job to end", 60)
    job: dict[str, Any] = client.get(path).json()
    return job


def results(client: httpx.Client, job: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    """Return up to a thousand items of a job."""
    items: list[dict[str, Any]] = client.get(job["links"]["results"], params={"limit": 1000, **query}).json()[
        "items"
    ]
    return items
