"""The duties of the steward, each called by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from shared import lanes
from shared.blobs import Blobs
from shared.blobs_root import MARKER
from shared.db import Database
from shared.jobs import stop, sweep
from shared.settings import Settings
from shared.status import Lane, StopReason
from tests.queue_driver import execute, row
from tests.uploads import submit_file
from tests.worker.files import items_of, sample_digits, zip_of
from worker.drain import Drainer
from worker.steward import Steward


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
    assert [p for p in root.rglob("*") if p.is_file() and p.name != MARKER] == []


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
