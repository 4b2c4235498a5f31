"""What says nothing about an image is never held against it: no room on a machine, a storage away, a freeze."""

from __future__ import annotations

import errno
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.blobs import Blobs, open_blobs
from shared.db import Database
from shared.errors import Unavailable
from shared.jobs.arrivals import stored_keys
from shared.settings import Settings
from shared.status import Lane
from tests.queue_driver import execute, row
from tests.uploads import submit_file
from tests.worker.files import sample_digits, zip_of
from worker import guard, page_counter
from worker.drain import MOST_FAILURES, Drainer


def refuse(*_: object, **__: object) -> Any:
    """Behave as a machine whose disk or process table is full."""
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("what", ["tempfile.TemporaryFile", "subprocess.Popen"])
def test_no_room_for_a_process_is_an_outage_and_no_broken_file(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Neither a full temporary folder nor a full process table makes an item fail."""
    monkeypatch.setattr(f"worker.guard.{what}", refuse)

    with pytest.raises(Unavailable, match="No space left"):
        page_counter.count_apart(b"%PDF", max_pages=10)


def test_a_process_that_never_begins_says_nothing_about_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine too slow to load the decoders is not the file's fault."""
    never = guard.Done(-9, b"", "", "start", has_begun=False)
    monkeypatch.setattr(page_counter, "run_guarded", lambda *_, **__: never)

    with pytest.raises(Unavailable):
        page_counter.count_apart(b"%PDF", max_pages=10)


def test_time_in_which_the_watcher_itself_stood_still_does_not_count() -> None:
    """After a freeze of the whole machine the file has as much time left as before."""
    now = time.monotonic()

    assert guard._without_frozen(100.0, now - 50) == pytest.approx(150, abs=1)
    assert guard._without_frozen(100.0, now) == 100.0


def test_an_outage_is_not_counted_against_a_chunk(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many interruptions by the storage and then one unforeseen failure: the chunk rests, and is read in the end."""
    job_id = submit_file(database, blobs, settings, "a.zip", zip_of(sample_digits(3)))
    raised: list[Exception] = [Unavailable("away") for _ in range(2 * MOST_FAILURES)]
    raised.append(RuntimeError("once"))
    work = drainer._work_group

    def interrupted(*arguments: Any) -> None:
        if raised:
            raise raised.pop(0)
        work(*arguments)

    monkeypatch.setattr(drainer, "_work_group", interrupted)

    drainer.drain(Lane.BULK)
    rested = row(database, "SELECT failures, not_before > clock_timestamp() AS rests FROM chunks")
    while raised:
        execute(database, "UPDATE chunks SET not_before = NULL")
        drainer.drain(Lane.BULK)
    execute(database, "UPDATE chunks SET not_before = NULL")
    drainer.drain(Lane.BULK)

    assert rested == (0, True)
    assert row(database, "SELECT status, succeeded FROM jobs WHERE id = :id", id=job_id) == ("succeeded", 3)


@pytest.mark.parametrize("leaves_mount_point", [False, True])
def test_a_worker_that_starts_without_its_storage_fails_no_item(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings, leaves_mount_point: bool
) -> None:
    """A disk that is not mounted when a process starts is an outage: nothing is made in its place, nothing fails."""
    root = Path(settings.storage_url.removeprefix("file://"))
    away = root.with_name("away")
    assert stored_keys(database) == []
    job_id = submit_file(database, blobs, settings, "a.zip", zip_of(sample_digits(3)))
    assert len(stored_keys(database)) == 1
    root.rename(away)
    if leaves_mount_point:
        root.mkdir()

    started = open_blobs(settings, partial(stored_keys, database))
    with pytest.raises(Unavailable):
        started.probe()
    drainer.blobs = started
    drainer.drain(Lane.BULK)
    assert not root.exists() or list(root.iterdir()) == []
    assert row(database, "SELECT state, failures FROM chunks") == ("pending", 0)

    if leaves_mount_point:
        root.rmdir()
    away.rename(root)
    execute(database, "UPDATE chunks SET not_before = NULL")
    drainer.drain(Lane.BULK)
    assert row(database, "SELECT status, succeeded FROM jobs WHERE id = :id", id=job_id) == ("succeeded", 3)
