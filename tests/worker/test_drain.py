"""One worker in this process: real files in, rows out."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image

from shared import lanes
from shared.blobs import Blobs
from shared.db import Database
from shared.errors import BlobMissing, Unavailable
from shared.jobs import crash, stop, sweep
from shared.jobs.commit import commit_finished
from shared.settings import Settings
from shared.status import Lane, StopReason
from tests.queue_driver import execute, finished, row, take
from tests.uploads import submit_file
from worker.drain import MOST_FAILURES, Drainer
from worker.expand import expand_job
from worker.models import Models
from worker.runtime import build
from worker.steward import Steward

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Make a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def sample_digits(count: int) -> dict[str, bytes]:
    """Return real digit images of the sample zip."""
    with zipfile.ZipFile(SAMPLES / "digits.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".png") and "_" in name]
        return {name: archive.read(name) for name in names[:count]}


def tiff_of(pages: int) -> bytes:
    """Make a TIFF of several pages."""
    digit = Image.open(SAMPLES / "three.png").convert("L")
    buffer = io.BytesIO()
    digit.save(buffer, "TIFF", save_all=True, append_images=[digit] * (pages - 1))
    return buffer.getvalue()


def items_of(database: Database, job_id: object) -> list[dict[str, object]]:
    """Return the items of a job in order."""
    with database.transaction() as connection:
        rows = connection.execute(
            sa.text("SELECT * FROM items WHERE job_id = :id ORDER BY seq"), {"id": job_id}
        )
        return [dict(r._mapping) for r in rows]


def test_the_sample_zip_is_read(
    drainer: Drainer, models: Models, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """Every member gets one row; the digits are right, bad members fail alone, text is skipped."""
    job_id = submit_file(
        database, blobs, settings, "digits.zip", (SAMPLES / "digits.zip").read_bytes(), max_items=100
    )

    drainer.drain(Lane.BULK)

    job = row(database, "SELECT * FROM jobs WHERE id = :id", id=job_id)
    items = items_of(database, job_id)
    labelled = [i for i in items if i["status"] == "succeeded" and "_" in str(i["name"])]
    right = sum(i["prediction"] == Path(str(i["name"])).stem.rsplit("_")[-1] for i in labelled)
    assert job.status == "partially_succeeded"
    assert [i["seq"] for i in items] == list(range(job.total))
    assert (job.succeeded, job.failed, job.skipped) == (520, 3, 1)
    assert right / len(labelled) > 0.97
    served = models.find("digits", None)
    assert (job.model_version, job.preparation) == (served.package.version, served.preparation)
    assert job.engine_class == served.engine.engine_class


def test_singles_run_as_one_batch(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """Twenty waiting single images are one claim and one batch of the network."""
    for name, data in sample_digits(20).items():
        submit_file(database, blobs, settings, name, data, lane=Lane.INTERACTIVE, inline=True)

    drainer.drain(Lane.INTERACTIVE)

    assert row(database, "SELECT count(*) AS n FROM jobs WHERE status = 'succeeded'").n == 20
    assert drainer.metrics.samples()["inkqueue_batch_size_count"] == 1


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


def test_a_suspect_chunk_is_read_item_by_item(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """After a crash the chunk is worked on carefully, and all innocents succeed."""
    job_id = submit_file(database, blobs, settings, "a.zip", zip_of(sample_digits(12)))
    take(database, lease_s=-1)
    crash.expire_leases(database, lease_s=15, grace_s=0)

    drainer.drain(Lane.BULK)

    assert row(database, "SELECT status, succeeded FROM jobs WHERE id = :id", id=job_id) == ("succeeded", 12)


def test_an_item_is_set_aside_after_three_crashes_by_itself(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """Only the item that killed its worker three times fails; its neighbours succeed."""
    job_id = submit_file(database, blobs, settings, "a.zip", zip_of(sample_digits(5)))
    execute(
        database,
        """INSERT INTO chunks (job_id, tenant, lane, priority, turn, model, first_seq, end_seq, position, crashes)
        SELECT job_id, tenant, lane, priority, turn, model, 2, 3, 2, 3 FROM chunks""",
    )
    execute(
        database,
        """INSERT INTO chunks (job_id, tenant, lane, priority, turn, model, first_seq, end_seq, position)
        SELECT job_id, tenant, lane, priority, turn, model, 3, 5, 3 FROM chunks WHERE first_seq = 0""",
    )
    execute(database, "UPDATE chunks SET end_seq = 2 WHERE first_seq = 0")

    drainer.drain(Lane.BULK)

    items = items_of(database, job_id)
    assert [i["error_code"] for i in items] == [None, None, "model_error", None, None]


def test_a_chunk_out_of_time_is_split(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small budgets cost extra chunks, never items."""
    small = settings.model_copy(update={"chunk_budget_s": 0.0, "batch_size": 8})
    monkeypatch.setattr(drainer, "settings", small)
    job_id = submit_file(database, blobs, settings, "a.zip", zip_of(sample_digits(30)))

    drainer.drain(Lane.BULK)

    assert row(database, "SELECT status, succeeded FROM jobs WHERE id = :id", id=job_id) == ("succeeded", 30)
    assert row(database, "SELECT count(*) AS n, max(attempt) AS a FROM chunks") == (30, 1)


def test_a_stopping_worker_hands_back_what_it_has_not_begun(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the parent's word the batch in hand is committed and the rest returned without a crash."""
    monkeypatch.setattr(drainer, "settings", settings.model_copy(update={"batch_size": 8}))
    submit_file(database, blobs, settings, "a.zip", zip_of(sample_digits(30)))
    monkeypatch.setattr(
        drainer, "is_stopping", lambda: "inkqueue_batch_size_count" in drainer.metrics.samples()
    )

    drainer.drain(Lane.BULK)

    assert row(database, "SELECT succeeded FROM jobs").succeeded == 8
    assert row(database, "SELECT first_seq, end_seq, crashes FROM chunks WHERE state = 'pending'") == (
        8,
        30,
        0,
    )


def test_cancel_keeps_what_is_done(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """Items already read stay, the others are canceled, and the late worker's commit is fenced."""
    job_id = submit_file(database, blobs, settings, "a.zip", zip_of(sample_digits(30)), max_items=10)
    done = take(database, worker="x")[0]
    late = take(database, worker="y")[0]
    commit_finished(database, [finished(done)], results_ttl_s=60)

    stop.request_stop(database, job_id, StopReason.CANCEL)
    ended = stop.finish_stop(database, blobs, job_id, results_ttl_s=60, budget_items=1000)
    fenced = commit_finished(database, [finished(late)], results_ttl_s=60)

    assert ended
    assert fenced.lost == [late]
    job = row(database, "SELECT status, succeeded, canceled, total FROM jobs")
    assert job == ("canceled", 10, 20, 30)


def test_cancel_while_pages_are_counted(database: Database, blobs: Blobs, settings: Settings) -> None:
    """A job without a final manifest ends with one canceled item an input."""
    job_id = submit_file(database, blobs, settings, "a.zip", zip_of({"a.tif": tiff_of(2), "n.txt": b"hello"}))

    stop.request_stop(database, job_id, StopReason.CANCEL)
    stop.finish_stop(database, blobs, job_id, results_ttl_s=60, budget_items=1000)

    assert row(database, "SELECT status, canceled, skipped, total FROM jobs") == ("canceled", 1, 1, 2)


@pytest.fixture
def steward(settings: Settings, database: Database, blobs: Blobs) -> Steward:
    """Make a steward whose duties run when they are called."""
    return Steward(settings, database, blobs, lanes.connect(settings))


def test_a_deadline_ends_the_job(
    steward: Steward, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """What is not done by then is expired."""
    submit_file(database, blobs, settings, "a.zip", zip_of(sample_digits(5)), deadline_s=0)

    steward.stop_jobs()

    assert row(database, "SELECT status, expired FROM jobs") == ("expired", 5)


def test_the_steward_tops_up_tickets(
    steward: Steward, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """After Redis was emptied each claimable chunk has a ticket again, and no more than that."""
    submit_file(database, blobs, settings, "a.zip", zip_of(sample_digits(30)), max_items=10)

    steward.top_up_tickets()
    steward.top_up_tickets()

    assert lanes.waiting_tickets(steward.client, Lane.BULK) == 3
    assert lanes.waiting_tickets(steward.client, Lane.INTERACTIVE) == 0


def test_a_deleted_job_leaves_nothing(
    steward: Steward, drainer: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """Rows, inputs, manifest and objects are gone after the steward's round."""
    submit_file(database, blobs, settings, "a.zip", zip_of(sample_digits(5)))
    drainer.drain(Lane.BULK)
    execute(database, "UPDATE jobs SET deleted_at = now()")

    steward.purge()
    steward.collect()

    counts = row(
        database,
        """SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM items), (SELECT count(*) FROM inputs),
        (SELECT count(*) FROM chunks), (SELECT count(*) FROM manifests), (SELECT count(*) FROM tombstones)""",
    )
    assert counts == (0, 0, 0, 0, 0, 0)
    root = Path(settings.storage_url.removeprefix("file://"))
    assert [p for p in root.rglob("*") if p.is_file()] == []


def test_expired_results_are_purged_and_the_job_stays(
    steward: Steward, drainer: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """The job row remains, marked as purged, so that clients learn that it is gone."""
    submit_file(database, blobs, settings, "a.zip", zip_of(sample_digits(5)))
    drainer.drain(Lane.BULK)
    execute(database, "UPDATE jobs SET results_expire_at = now() - interval '1 second'")

    steward.purge()

    job = row(database, "SELECT purged_at IS NOT NULL AS purged, succeeded FROM jobs")
    assert job == (True, 5)
    assert sweep.purgeable(database) == []


def test_a_frozen_session_is_cut(steward: Steward, settings: Settings) -> None:
    """A worker's transaction that stays open longer than allowed is terminated."""
    frozen = Database(settings.sqlalchemy_url, "worker", 1)
    quick = settings.model_copy(update={"stuck_transaction_s": 0.0})
    steward.settings = quick
    with frozen.engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
        steward.end_stuck_sessions()
        with pytest.raises(sa.exc.DBAPIError):
            connection.execute(sa.text("SELECT 1"))
    frozen.close()


def test_a_slow_file_is_noticed_before_its_batch_is_full(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is looked at after each file, also when none of them ever reaches the network."""
    monkeypatch.setattr(drainer, "settings", settings.model_copy(update={"chunk_budget_s": 0.0}))
    broken = {f"{n}.png": b"\x89PNG\r\n\x1a\n" + bytes(20) for n in range(5)}
    submit_file(database, blobs, settings, "a.zip", zip_of(broken))

    drainer.drain(Lane.BULK)

    assert row(database, "SELECT status, failed FROM jobs") == ("failed", 5)
    assert row(database, "SELECT count(*) AS n FROM chunks").n == 5


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
    assert expand_job(other.db, blobs, settings, held[0], specs[job_id], lambda: False)
    other.db.close()

    drainer.drain(Lane.BULK)

    items = [(i["name"], i["page"]) for i in items_of(database, job_id)]
    assert items == [(f"f{n}.tif", page) for n in range(3) for page in (1, 2)]


def test_a_missing_upload_fails_its_own_job_only(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """A job whose stored file is gone ends at once, and the one behind it is read."""
    lost = submit_file(database, blobs, settings, "lost.zip", zip_of(sample_digits(3)))
    good = submit_file(database, blobs, settings, "good.zip", zip_of(sample_digits(3)))
    key = row(
        database,
        "SELECT storage_key FROM inputs i JOIN job_inputs j ON j.input_id = i.id WHERE job_id = :id",
        id=lost,
    )
    blobs.delete([key.storage_key])

    drainer.drain(Lane.BULK)

    assert row(database, "SELECT status FROM jobs WHERE id = :id", id=lost).status == "failed"
    assert row(database, "SELECT status FROM jobs WHERE id = :id", id=good).status == "succeeded"
    assert "not there any more" in str(items_of(database, lost)[0]["error_detail"])


def test_a_broken_manifest_rests_and_ends_in_failed_items(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """The chunk lets others pass, and after some tries its items are set aside, so that the job ends."""
    bad = submit_file(database, blobs, settings, "bad.zip", zip_of(sample_digits(3)))
    execute(database, "UPDATE manifests SET inline = 'nonsense' WHERE job_id = :id", id=bad)
    good = submit_file(database, blobs, settings, "good.zip", zip_of(sample_digits(3)))

    drainer.drain(Lane.BULK)
    first = row(database, "SELECT attempt, crashes, failures FROM chunks WHERE job_id = :id", id=bad)
    for _ in range(MOST_FAILURES):
        execute(database, "UPDATE chunks SET not_before = NULL")
        drainer.drain(Lane.BULK)

    assert first == (1, 0, 1)
    assert row(database, "SELECT status FROM jobs WHERE id = :id", id=good).status == "succeeded"
    assert row(database, "SELECT status, failed FROM jobs WHERE id = :id", id=bad) == ("failed", 3)


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
    monkeypatch.setattr("worker.expand.count_apart", lambda data, max_pages: apart.append(1) or 1)
    submit_file(database, blobs, settings, "a.zip", zip_of({f"{n}.tif": tiff_of(2) for n in range(5)}))
    take(database, lease_s=-1)
    crash.expire_leases(database, lease_s=15, grace_s=0)

    drainer.drain(Lane.BULK)

    assert len(apart) == 2
    assert row(database, "SELECT total FROM jobs").total == 8


def test_a_document_for_predict_is_refused_without_reading_its_pages(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """Nobody waits behind 300 pages that nobody wants."""
    submit_file(database, blobs, settings, "a.tif", tiff_of(3), lane=Lane.INTERACTIVE, kind="predict")

    drainer.drain(Lane.INTERACTIVE)

    assert row(database, "SELECT status, total, failed FROM jobs") == ("failed", 1, 1)
    assert row(database, "SELECT error_code FROM items").error_code == "too_many_pages"


def test_one_job_that_cannot_be_stopped_does_not_keep_the_others(
    steward: Steward, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """A manifest that is gone costs the names of its items, not the end of any job."""
    jobs = [submit_file(database, blobs, settings, "a.zip", zip_of(sample_digits(3))) for _ in range(2)]
    execute(database, "UPDATE manifests SET inline = 'nonsense' WHERE job_id = :id", id=jobs[0])
    for job_id in jobs:
        stop.request_stop(database, job_id, StopReason.CANCEL)

    steward.stop_jobs()

    assert row(database, "SELECT count(*) AS n FROM jobs WHERE status = 'canceled'").n == 2
    assert [i["name"] for i in items_of(database, jobs[0])] == ["item-1", "item-2", "item-3"]


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
    assert expand_job(drainer.db, blobs, settings, held[0], spec, lambda: False)

    stop.finish_stop(database, blobs, job_id, results_ttl_s=60, budget_items=100)

    items = [(i["name"], i["page"], i["status"]) for i in items_of(database, job_id)]
    assert items == [(f"{n}.tif", page, "canceled") for n in "ab" for page in (1, 2)]


def test_pictures_are_rendered_as_uploaded_and_as_the_model_saw_them(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """A page of a document becomes a PNG of its own; the model's view is its very input."""
    job_id = submit_file(
        database, blobs, settings, "a.zip", zip_of({"a.tif": tiff_of(2), **sample_digits(1)})
    )
    drainer.drain(Lane.BULK)

    drainer.render(job_id, 1, "page")
    drainer.render(job_id, 2, "model")
    drainer.render(job_id, 99, "model")

    page = Image.open(io.BytesIO(blobs.get(lanes.view_key(job_id, 1, "page"))))
    seen = Image.open(io.BytesIO(blobs.get(lanes.view_key(job_id, 2, "model"))))
    (digit,) = sample_digits(1).values()
    with Image.open(SAMPLES / "three.png") as three:
        assert page.size == three.size
    assert seen.tobytes() == Image.open(io.BytesIO(digit)).convert("L").tobytes()
    with pytest.raises(BlobMissing):
        blobs.get(lanes.view_key(job_id, 99, "model"))
