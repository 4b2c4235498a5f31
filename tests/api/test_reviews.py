"""Reviews: what people say of items, who may, and what it comes to."""

from __future__ import annotations

from typing import Any

import httpx

from tests.api.files import submitted
from tests.fakes import FakeWorker


def job_of(api: httpx.Client, worker: FakeWorker, *names: str) -> str:
    """Let a job of files of these names be read; return its address."""
    job = submitted(api, *names)
    worker.work()
    return f"/v1/jobs/{job['id']}"


def review(
    api: httpx.Client, job: str, seq: int, reviewer: str, value: str | None, **more: Any
) -> httpx.Response:
    """Review one item."""
    return api.put(f"{job}/items/{seq}/reviews/{reviewer}", json={"value": value, **more})


def test_a_review_decides_the_final_value(api: httpx.Client, worker: FakeWorker) -> None:
    """The item shows the review and the reviewer's value; the machine's prediction stays."""
    job = job_of(api, worker, "a.png", "doubt.png")
    answer = review(api, job, 1, "anna", "1")
    assert answer.status_code == 200, answer.text
    item = answer.json()
    assert (item["prediction"], item["final_value"]) == ("7", "1")
    assert item == api.get(f"{job}/items/1").json()
    assert api.get(job).json()["counts"]["reviewed"] == 1
