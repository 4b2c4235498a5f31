"""Answers of ended jobs that a process keeps: bounded, and never older than what they are about."""

from __future__ import annotations

import httpx

from api.kept import Kept
from shared.db import Database
from tests.api.files import problem, submitted
from tests.fakes import FakeWorker
from tests.queue_driver import execute


def test_what_was_asked_for_last_stays() -> None:
    """The bytes are bounded; one value cannot drive all others out; a second put counts once."""
    kept = Kept(most_bytes=8)
    for key in "abcd":
        kept.put(key, b"12")
        kept.put(key, b"12")
    assert kept.get("a") == b"12"
    kept.put("e", b"12")
    assert [kept.get(key) for key in "abcde"] == [b"12", None, b"12", b"12", b"12"]
    kept.put("f", b"123")
    assert kept.get("f") is None


def test_nothing_stays_for_ever() -> None:
    """What is too old is gone."""
    kept = Kept(longest_s=0)
    kept.put("a", b"12")
    assert kept.get("a") is None


def test_what_is_kept_is_what_there_is(api: httpx.Client, worker: FakeWorker, database: Database) -> None:
    """An ended job answers the same again, shows a review at once, and is gone when its results expire."""
    path = f"/v1/jobs/{submitted(api, '1.png', 'bad.png')['id']}"
    running = api.get(f"{path}/summary").json()
    worker.work()
    summary, grid = api.get(f"{path}/summary").json(), api.get(f"{path}/grid")
    assert summary["by_prediction"] == {"7": 1} != running["by_prediction"]
    assert api.get(f"{path}/summary").json() == summary
    assert api.get(f"{path}/grid").content == grid.content
    assert api.put(f"{path}/items/0/reviews/anna", json={"value": "3"}).is_success
    assert api.get(f"{path}/grid").content != grid.content
    api.get(f"{path}/summary")
    execute(database, "UPDATE jobs SET results_expire_at = clock_timestamp() - interval '1 second'")
    for tail in ("summary", "grid"):
        problem(api.get(f"{path}/{tail}"), 410, "gone")
