"""Counting pages, by one worker in this process: what becomes of documents of several pages."""

from __future__ import annotations

import pytest

from shared.blobs import Blobs
from shared.db import Database
from shared.errors import Unavailable
from shared.jobs import crash, stop
from shared.settings import Settings
from shared.status import Lane, StopReason
from tests.queue_driver import execute, row, take
from tests.uploads import submit_file
from tests.worker.files import SAMPLES, items_of, sample_digits, tiff_of, zip_of
from worker.board import Board
from worker.drain import Drainer
from worker.expand import expand_job
from worker.page_counter import CountedTooLong
from worker.runtime import build


def test_pages_become_items(drainer: Drainer, database: Database, blobs: Blobs, settings: Settings) -> None:
    """A TIFF of three pages beside a single image makes four items, numbered by page."""
    data = zip_of({"scan.tif": tiff_of(3), "one.png": (SAMPLES / "three.png").read_bytes()})
    job_id = submit_file(database, blobs, settings, "a.zip", data)
    assert row(database, "SELECT status FROM jobs").status == "validating"

    drainer.drain(Lane.BULK)

    assert row(database, "SELECT status FROM jobs").status == "succeeded"
    items = items_of(database, job_id)
    assert [(i["name"], i["page"], i["prediction"]) for i in items] == [
        ("scan.tif", 1, "3"),
        ("scan.tif", 2, "3"),
        ("scan.tif", 3, "3"),
        ("one.png", 1, "3"),
    ]


def test_page_counting_out_of_time_goes_on_where_it_stood(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was counted is kept, the chunk goes back unharmed, and the next worker finishes."""
    monkeypatch.setattr(
        drainer, "settings", settings.model_copy(update={"chunk_budget_s": -1.0, "ticket_slice_s": 0.2})
    )
    submit_file(database, blobs, settings, "a.zip", zip_of({"a.tif": tiff_of(2), "b.tif": tiff_of(2)}))
    drainer.drain(Lane.BULK)
    assert row(database, "SELECT crashes, state FROM chunks") == (0, "pending")

    monkeypatch.setattr(drainer, "settings", settings)
    drainer.drain(Lane.BULK)

    assert row(database, "SELECT status, total FROM jobs") == ("succeeded", 4)


def test_an_interrupted_expansion_leaves_no_old_manifest_behind(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose own expansion failed reads the pages that another has counted, from the new manifest."""
    job_id = submit_file(
        database, blobs, settings, "a.zip", zip_of({f"f{n}.tif": tiff_of(2) for n in range(3)})
    )

    def broken(*_: object) -> bool:
        raise Unavailable()

    with monkeypatch.context() as patched:
        patched.setattr("worker.drain.expand_job", broken)
        drainer.drain(Lane.BULK)
    execute(database, "UPDATE chunks SET not_before = NULL")
    other = build(settings, drainer.models, [Lane.BULK], blobs=blobs)
    held = other.heartbeat.hold(take(database))
    specs = other._specs_of([held[0].claim])
    assert expand_job(other.db, blobs, settings, held[0], specs[job_id], lambda: False, Board(), 20.0)
    other.db.close()

    drainer.drain(Lane.BULK)

    items = [(i["name"], i["page"]) for i in items_of(database, job_id)]
    assert items == [(f"f{n}.tif", page) for n in range(3) for page in (1, 2)]


def test_pages_of_an_unserved_model_are_counted_by_any_worker(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """Counting pages needs no model, so a model that is not here blocks nobody."""
    foreign = submit_file(database, blobs, settings, "a.zip", zip_of({"a.tif": tiff_of(2)}))
    execute(database, "UPDATE jobs SET model_name = 'other'")
    execute(database, "UPDATE chunks SET model = 'other'")
    good = submit_file(database, blobs, settings, "good.zip", zip_of(sample_digits(3)))

    drainer.drain(Lane.BULK)

    assert row(database, "SELECT status, total FROM jobs WHERE id = :id", id=foreign) == ("queued", 2)
    assert row(database, "SELECT status FROM jobs WHERE id = :id", id=good).status == "succeeded"


def test_after_a_crash_only_the_next_files_are_counted_apart(
    drainer: Drainer,
    database: Database,
    blobs: Blobs,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One lost lease does not make the rest of a large job slow."""
    monkeypatch.setattr("worker.expand.APART", 2)
    apart: list[int] = []
    monkeypatch.setattr("worker.expand.count_apart", lambda data, **_: apart.append(1) or 1)
    submit_file(database, blobs, settings, "a.zip", zip_of({f"{n}.tif": tiff_of(2) for n in range(5)}))
    take(database, lease_s=-1)
    crash.expire_leases(database, lease_s=15, grace_s=0)

    drainer.drain(Lane.BULK)

    assert len(apart) == 2
    assert row(database, "SELECT total FROM jobs").total == 8


@pytest.mark.parametrize(("frozen", "end"), [(2, ("succeeded", 3, 0)), (3, ("partially_succeeded", 1, 1))])
def test_a_count_that_takes_too_long_has_three_tries(
    drainer: Drainer,
    database: Database,
    blobs: Blobs,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    frozen: int,
    end: tuple[str, int, int],
) -> None:
    """A process that is frozen while it counts costs its document nothing; each try is made in a lease of its own."""
    monkeypatch.setattr("worker.expand.APART", 1)
    tries: list[int] = []

    def count(data: bytes, **_: object) -> int:
        tries.append(1)
        if len(tries) <= frozen:
            raise CountedTooLong
        return 2

    monkeypatch.setattr("worker.expand.count_apart", count)
    files = {"a.tif": tiff_of(2), **sample_digits(1)}
    submit_file(database, blobs, settings, "a.zip", zip_of(files))
    take(database, lease_s=-1)
    crash.expire_leases(database, lease_s=15, grace_s=0)

    drainer.drain(Lane.BULK)

    assert len(tries) == 3
    assert row(database, "SELECT status, succeeded, failed FROM jobs") == end
    codes = row(database, "SELECT array_agg(error_code) FILTER (WHERE status = 'failed') FROM items")
    assert codes == ((["undecodable_image"] if end[2] else None),)


def test_a_document_for_predict_is_refused_without_reading_its_pages(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """Nobody waits behind 300 pages that nobody wants."""
    submit_file(database, blobs, settings, "a.tif", tiff_of(3), lane=Lane.INTERACTIVE, kind="predict")

    drainer.drain(Lane.INTERACTIVE)

    assert row(database, "SELECT status, total, failed FROM jobs") == ("failed", 1, 1)
    assert row(database, "SELECT error_code FROM items").error_code == "too_many_pages"


def test_cancel_while_pages_are_counted(database: Database, blobs: Blobs, settings: Settings) -> None:
    """A job without a final manifest ends with one canceled item an input."""
    job_id = submit_file(database, blobs, settings, "a.zip", zip_of({"a.tif": tiff_of(2), "n.txt": b"hello"}))

    stop.request_stop(database, job_id, StopReason.CANCEL)
    stop.finish_stop(database, blobs, job_id, results_ttl_s=60, budget_items=1000)

    assert row(database, "SELECT status, canceled, skipped, total FROM jobs") == ("canceled", 1, 1, 2)


def test_a_cancel_right_after_the_expansion_names_every_page(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An expansion that commits between the cancel and its fence does not leave items of the old manifest."""
    job_id = submit_file(
        database, blobs, settings, "a.zip", zip_of({"a.tif": tiff_of(2), "b.tif": tiff_of(2)})
    )
    held = drainer.heartbeat.hold(take(database))
    spec = drainer._specs_of([held[0].claim])[job_id]
    stop.request_stop(database, job_id, StopReason.CANCEL)
    assert expand_job(drainer.db, blobs, settings, held[0], spec, lambda: False, Board(), 20.0)

    stop.finish_stop(database, blobs, job_id, results_ttl_s=60, budget_items=100)

    items = [(i["name"], i["page"], i["status"]) for i in items_of(database, job_id)]
    assert items == [(f"{n}.tif", page, "canceled") for n in "ab" for page in (1, 2)]
