"""A full disk: what cannot be kept is refused with 507, nothing of it stays, and with room again all goes on."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest

from shared import lanes
from shared.blobs import Blobs, open_blobs
from shared.blobs_root import MARKER
from shared.db import Database
from shared.errors import StorageFull
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import problem, submit_files, zipped
from tests.fakes import FakeWorker
from tests.full_disk import FullDisk
from tests.queue_driver import execute, row
from worker.steward import Steward

BIG = b"\x89PNG\r\n\x1a\n" + np.random.default_rng(0).bytes(100_000)
"""More than what a row of the database keeps, and no picture: here only its way into the storage matters."""
MANY = zipped(*(f"{'n' * 90}{i}.png" for i in range(400)), data=b"\x89PNG\r\n\x1a\n")
"""A zip whose manifest is too large for a row."""


def raw(api: httpx.Client) -> httpx.Response:
    """Submit one file."""
    return api.post("/v1/jobs", content=BIG, headers={"content-type": "image/png"})


def several(api: httpx.Client) -> httpx.Response:
    """Submit large files and many small ones, which share an object."""
    small = [(f"{i}.png", b"\x89PNG\r\n\x1a\n" + bytes(9000)) for i in range(12)]
    return submit_files(api, [("a.png", BIG), ("b.png", BIG), *small])


def archive(api: httpx.Client) -> httpx.Response:
    """Submit a zip with a large manifest."""
    return api.post("/v1/jobs", content=MANY, headers={"content-type": "application/zip"})


def predicted(api: httpx.Client) -> httpx.Response:
    """Ask for one large picture."""
    return api.post("/v1/predict", content=BIG, headers={"content-type": "image/png"})


def rehearsed(api: httpx.Client) -> httpx.Response:
    """Try a submission that keeps nothing, yet is looked at in the storage."""
    return api.post("/v1/jobs?dry_run=true", content=BIG, headers={"content-type": "image/png"})


def files(settings: Settings) -> list[Path]:
    """List all files of the storage, unfinished ones included."""
    folder = Path(settings.storage_url.removeprefix("file://"))
    return [path for path in folder.rglob("*") if path.is_file() and path.name != MARKER]


def install(monkeypatch: pytest.MonkeyPatch, disk: FullDisk) -> None:
    """Let the storage write to this disk."""
    for module in ("blobs_local", "blobs_root"):
        monkeypatch.setattr(f"shared.{module}.os", disk)


def collect(settings: Settings, database: Database) -> None:
    """Do what the steward does with uploads that were given up; the waiting times are over."""
    execute(database, "UPDATE tombstones SET not_before = now() - interval '1 second'")
    client = lanes.connect(settings)
    Steward(settings, database, open_blobs(settings), client).collect()
    client.close()


def nothing_left(settings: Settings, database: Database) -> bool:
    """Tell whether neither a row nor a file is there, before and after the steward has been around."""
    living = "SELECT (SELECT count(*) FROM jobs) + count(*) AS n FROM inputs WHERE state <> 'collecting'"
    assert row(database, living).n == 0
    collect(settings, database)
    rows = "SELECT (SELECT count(*) FROM inputs) + (SELECT count(*) FROM tombstones) AS n"
    return row(database, rows).n == 0 and not files(settings)


@pytest.mark.parametrize(
    ("send", "error"),
    [
        (raw, errno.EDQUOT),
        (several, errno.ENOSPC),
        (archive, errno.ENOSPC),
        (rehearsed, errno.ENOSPC),
    ],
)
def test_whichever_step_finds_no_room_nothing_stays(
    settings: Settings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    send: Callable[[httpx.Client], httpx.Response],
    error: int,
) -> None:
    """Folders, files, bytes, flushes and names: each of them may be the first that the disk refuses."""
    with serving(settings) as api:
        step, refused = 0, 0
        while True:
            disk = FullDisk(step, error)
            install(monkeypatch, disk)
            answer = send(api)
            if not disk.failed:
                break
            body = problem(answer, 507, "storage_full")
            assert body["retryable"]
            assert int(answer.headers["retry-after"]) >= 1
            disk.free()
            assert nothing_left(settings, database)
            step, refused = step + 1, refused + 1

    assert refused >= 7
    assert {"open", "write", "fsync", "rename"} <= set(disk.calls)
    assert answer.status_code in {200, 202}


def test_single_pictures_are_refused_and_taken_again(
    settings: Settings, database: Database, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`predict` says 507 where the picture needs the disk, and goes on where it does not."""
    disk = FullDisk(0)
    install(monkeypatch, disk)
    with serving(settings.model_copy(update={"predict_timeout_s": 0.2})) as api:
        problem(predicted(api), 507, "storage_full")
        assert nothing_left(settings, database)
        assert submit_files(api, [("a.png", BIG[:1000])]).status_code == 202  # it fits into its row
        assert worker.work() == 1
        disk.free()
        problem(predicted(api), 504, "timeout")


def test_a_full_disk_is_told_and_room_is_noticed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness and metrics say so; reading goes on; with room again the next upload is taken, nobody restarts."""
    disk = FullDisk(None)
    install(monkeypatch, disk)
    with serving(settings) as api:
        job = raw(api).json()
        full = FullDisk(0)
        install(monkeypatch, full)
        for _ in range(3):
            problem(raw(api), 507, "storage_full")
        metrics = api.get("/metrics").text
        assert "room" in problem(api.get("/readyz"), 503, "unavailable")["checks"]["storage"]
        assert 'inkqueue_storage_errors_total{kind="full"} 3' in metrics
        assert api.get(f"/v1/jobs/{job['id']}/items/0/image").content == BIG
        full.free()
        assert raw(api).status_code == 202


def test_the_store_leaves_no_file_behind(
    blobs: Blobs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that is given up has nothing unfinished lying around, wherever it stopped."""
    for step in range(20):
        disk = FullDisk(step)
        install(monkeypatch, disk)
        with suppress(StorageFull):
            blobs.put(f"inputs/{step}/x", b"abc")
        disk.free()
        blobs.delete([f"inputs/{step}/x"])
        assert files(settings) == []
        if not disk.failed:
            return
    raise AssertionError("every write failed")
