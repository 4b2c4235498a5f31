"""One worker in this process: real files in, rows out."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from shared import lanes
from shared.blobs import Blobs
from shared.db import Database
from shared.errors import BlobMissing
from shared.jobs import crash, stop
from shared.jobs.commit import commit_finished
from shared.settings import Settings
from shared.status import Lane, StopReason
from tests.queue_driver import execute, finished, row, take
from tests.uploads import submit_file
from tests.worker.files import SAMPLES, items_of, sample_digits, tiff_of, zip_of
from worker.drain import MOST_FAILURES, Drainer
from worker.models import Models


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
        """INSERT INTO chunks (job_id, tenant, lane, priority, turn, model, first_seq, end_seq, position, crashes,
            losses)
        SELECT job_id, tenant, lane, priority, turn, model, 2, 3, 2, 3, 2 FROM chunks""",
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
