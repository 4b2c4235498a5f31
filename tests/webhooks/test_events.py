"""Which deliveries are born, when, and with what in them."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
import sqlalchemy as sa

from shared.blobs import open_blobs
from shared.contracts import NewManifest
from shared.db import Database
from shared.jobs.batch import commit_batch
from shared.jobs.claim import start
from shared.jobs.commit import commit_finished
from shared.jobs.remove import delete_job
from shared.jobs.retry import retry_job
from shared.jobs.stop import finish_stop, request_stop
from shared.jobs.submit import submit_job
from shared.manifest import ManifestBuilder
from shared.settings import Settings
from shared.status import Decision, ItemStatus, Lane, StopReason
from shared.webhooks import log, queue
from shared.webhooks.queue import Claimed, Places, claim_due
from tests.queue_driver import execute, finished, new_job, row, take
from tests.webhooks.driver import deliveries, ended_job, job_with, work

URL = "https://receiver.example/hook"
JOB = "'0198f6c2-a1b4-7c3e-8d9f-0a1b2c3d4e5f'"
ALL = ("job.completed", "job.started", "job.progress", "job.reviewed")


def events(db: Database, job_id: UUID) -> list[tuple[str, str]]:
    """Return event and state of a job's deliveries."""
    return [(d.event, d.state) for d in deliveries(db, job_id)]


def claim_all(db: Database) -> list[Claimed]:
    """Claim what is due as a sender does."""
    return list(claim_due(db, "test", lease_s=60, most=100, free=Places(100, 100, 100), limits={}).claimed)


@pytest.mark.parametrize("status", [ItemStatus.SUCCEEDED, ItemStatus.FAILED])
def test_the_commit_that_ends_a_job_tells_it(database: Database, status: ItemStatus) -> None:
    """One delivery, due at once, with the job as it ended."""
    job_id = job_with(database, URL)
    work(database, status)
    [told] = deliveries(database, job_id)
    assert (told.event, told.state, told.url) == ("job.completed", "pending", URL)
    assert told.snapshot["status"] == ("succeeded" if status is ItemStatus.SUCCEEDED else "failed")
    assert told.next_attempt_at is not None


def test_a_batch_of_single_images_tells_each(database: Database) -> None:
    """The statement that commits many jobs at once tells all of them."""
    jobs = [job_with(database, URL, lane=Lane.INTERACTIVE) for _ in range(5)]
    claims = take(database, Lane.INTERACTIVE, most=5)
    commit_batch(database, [finished(c) for c in claims], results_ttl_s=60.0)
    assert [events(database, job) for job in jobs] == [[("job.completed", "pending")]] * 5


def test_a_commit_that_is_rolled_back_tells_nothing(database: Database) -> None:
    """What did not happen is not told."""
    job_id = job_with(database, URL)
    with database.engine.connect() as connection:
        connection.execute(
            sa.text(
                "UPDATE jobs SET status = 'succeeded', succeeded = total, accepted = total,"
                " finished_at = clock_timestamp() WHERE id = :id"
            ),
            {"id": job_id},
        )
        connection.rollback()
    assert deliveries(database, job_id) == []


@pytest.mark.parametrize(
    ("reason", "status"), [(StopReason.CANCEL, "canceled"), (StopReason.DEADLINE, "expired")]
)
def test_a_stopped_job_tells_its_end(
    database: Database, settings: Settings, reason: StopReason, status: str
) -> None:
    """Cancel and deadline end in job.completed too; a job that never ran was never started."""
    job_id = job_with(database, URL, *ALL, items=3)
    request_stop(database, job_id, reason)
    finish_stop(database, open_blobs(settings), job_id, results_ttl_s=60, budget_items=100)
    live = [d for d in deliveries(database, job_id) if d.state == "pending"]
    assert [(d.event, d.snapshot["status"]) for d in live] == [("job.completed", status)]
    assert "job.started" not in [d.event for d in deliveries(database, job_id)]


def test_only_wanted_events_are_told(database: Database) -> None:
    """A webhook for progress alone gets no end."""
    job_id = job_with(database, URL, "job.started")
    work(database)
    assert events(database, job_id) == [("job.started", "pending")]


def test_a_job_without_webhook_and_a_prediction_tell_nothing(database: Database) -> None:
    """No rows are made for them, whatever a row says."""
    submit_job(database, new_job())
    submit_job(database, new_job(kind="predict", webhook={"url": URL, "events": ["job.completed"]}))
    work(database)
    work(database)
    assert deliveries(database) == []


def test_the_start_is_told_once(database: Database) -> None:
    """When a worker first runs it; later chunks and workers tell nothing more."""
    job_id = job_with(database, URL, "job.started", items=2)
    pin = {
        "model_version": "1.0.0",
        "model_sha256": "ab",
        "engine_class": "cpu-fp32",
        "preparation": "digits@1",
    }
    start(database, job_id, **pin)
    start(database, job_id, **pin)
    work(database)
    work(database)
    [told] = deliveries(database, job_id)
    assert (told.event, told.snapshot["status"]) == ("job.started", "running")


def test_a_job_of_one_commit_is_started_before_it_ends(database: Database) -> None:
    """Both are told, and the start shows the job as it was then."""
    job_id = ended_job(database, URL, "job.started", "job.completed")
    begun, ended = deliveries(database, job_id)
    assert (begun.event, ended.event) == ("job.started", "job.completed")
    assert (begun.snapshot["status"], begun.snapshot["succeeded"], begun.snapshot["finished_at"]) == (
        "running",
        0,
        None,
    )
    assert (ended.snapshot["status"], ended.snapshot["succeeded"]) == ("succeeded", 1)


def test_progress_is_replaced_in_place(database: Database) -> None:
    """Of many changes one delivery waits, and it shows the newest."""
    job_id = job_with(database, URL, "job.progress", items=5)
    work(database)
    [first] = deliveries(database, job_id)
    for _ in range(3):
        work(database)
    [told] = deliveries(database, job_id)
    assert told.id == first.id
    assert told.snapshot["succeeded"] == 4


def test_progress_on_its_way_is_followed_by_the_newest_a_second_later(database: Database) -> None:
    """What was claimed is not changed under the sender's hands; the next one waits its second."""
    job_id = job_with(database, URL, "job.progress", items=4)
    work(database)
    [taken] = claim_all(database)
    work(database)
    work(database)
    old, new = deliveries(database, job_id)
    assert (old.id, old.state, old.reason) == (taken.id, "canceled", "superseded")
    assert (new.state, new.snapshot["succeeded"]) == ("pending", 3)
    assert (new.next_attempt_at - old.claimed_at).total_seconds() == pytest.approx(1.0)
    assert claim_all(database) == []


def test_the_end_supersedes_progress(database: Database) -> None:
    """Undelivered progress is never sent after the end."""
    job_id = job_with(database, URL, "job.progress", "job.completed", items=2)
    work(database)
    work(database)
    assert events(database, job_id) == [("job.progress", "canceled"), ("job.completed", "pending")]
    assert [c.event for c in claim_all(database)] == ["job.completed"]


def reviewed(db: Database, job_id: UUID, *, needed: int, done: int) -> None:
    """Let so many items of an ended job need review, and so many of them have one."""
    execute(
        db,
        "UPDATE jobs SET review_done = :done WHERE id = :id AND review = :needed",
        id=job_id,
        needed=needed,
        done=done,
    )


def doubtful(db: Database, *wanted: str) -> UUID:
    """Let a job of three items end whose answers all need review."""
    job_id = job_with(db, URL, *wanted, items=3)
    for claimed in take(db) + take(db) + take(db):
        done = finished(claimed)
        rows = [replace(r, decision=Decision.REVIEW) for r in done.rows]
        commit_finished(db, [replace(done, rows=rows)], results_ttl_s=60.0)
    return job_id


def test_the_last_review_is_told(database: Database) -> None:
    """When every item that needs review has one; taken back and given again, it stays one undelivered message."""
    job_id = doubtful(database, "job.reviewed")
    other = doubtful(database, "job.completed")
    for job in (job_id, other):
        reviewed(database, job, needed=3, done=2)
    assert events(database, job_id) == []
    for done in (3, 2, 3, 3):
        reviewed(database, job_id, needed=3, done=done)
        reviewed(database, other, needed=3, done=done)
    assert events(database, job_id) == [("job.reviewed", "pending")]
    assert events(database, other) == [("job.completed", "pending")]


def test_a_job_that_was_reviewed_while_it_ran_is_told_at_its_end(database: Database) -> None:
    """Then nobody's review is the last event."""
    job_id = job_with(database, URL, "job.reviewed", "job.completed", items=2)
    first, second = take(database) + take(database)
    done = finished(first)
    rows = [replace(r, decision=Decision.REVIEW) for r in done.rows]
    commit_finished(database, [replace(done, rows=rows)], results_ttl_s=60.0)
    reviewed(database, job_id, needed=1, done=1)
    assert events(database, job_id) == []
    commit_finished(database, [finished(second)], results_ttl_s=60.0)
    assert events(database, job_id) == [("job.completed", "pending"), ("job.reviewed", "pending")]


def test_a_job_without_doubts_is_never_told_as_reviewed(database: Database) -> None:
    """Nothing needed a person."""
    assert events(database, ended_job(database, URL, "job.reviewed")) == []


def test_a_retry_tells_its_own_end(database: Database, settings: Settings) -> None:
    """The new job takes the webhook over."""
    builder = ManifestBuilder()
    builder.add_whole(0, "a.png", 3)
    job = new_job(webhook={"url": URL, "events": ["job.completed"]})
    job = replace(job, manifest=NewManifest("items", 1, inline=builder.build()))
    first = submit_job(database, job).job_id
    work(database, ItemStatus.FAILED)
    made = retry_job(database, open_blobs(settings), settings, "default", first)
    [claimed] = take(database, made.lane)
    commit_finished(database, [finished(claimed)], results_ttl_s=60.0)
    assert events(database, made.job_id) == [("job.completed", "pending")]


def test_deleting_a_job_cancels_what_has_not_arrived(database: Database) -> None:
    """Nobody hears of a job that is gone."""
    job_id = ended_job(database, URL)
    delete_job(database, "default", job_id)
    [told] = deliveries(database, job_id)
    assert (told.state, told.reason) == ("canceled", "job_deleted")
    assert claim_all(database) == []


def test_an_old_worker_beside_the_new_schema_tells_the_end_once(database: Database) -> None:
    """The statement of the release before, which inserted by itself, and the trigger make one row with all in it."""
    job_id = job_with(database, URL)
    execute(
        database,
        """WITH changed AS (UPDATE jobs SET status = 'succeeded', succeeded = total, accepted = total,
            finished_at = clock_timestamp() WHERE id = :id RETURNING tenant, id, webhook)
        INSERT INTO webhook_deliveries (tenant, job_id, event, url)
        SELECT tenant, id, 'job.completed', webhook ->> 'url' FROM changed""",
        id=job_id,
    )
    [told] = deliveries(database, job_id)
    assert told.snapshot["status"] == "succeeded"
    assert told.host == "https://receiver.example"


def test_claims_and_listings_never_scan_the_whole_table(database: Database) -> None:
    """With thousands of rows Postgres goes by the indexes."""
    execute(
        database,
        """INSERT INTO webhook_deliveries (tenant, job_id, event, url, state, body)
        SELECT 'default', uuidv7(), 'job.completed', 'https://h' || n % 50 || '.example/x',
            CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'delivered' END, repeat('x', 200)
        FROM generate_series(1, 20000) n""",
    )
    execute(database, "ANALYZE webhook_deliveries")
    listing = f"{log._COLUMNS} WHERE d.tenant = 'default' AND d.state = 'failed' ORDER BY d.id DESC LIMIT 50"
    plans = [
        plan(database, queue._CLAIM.text, bound=True),
        plan(database, listing),
        plan(database, f"{log._COLUMNS} WHERE d.tenant = 'default' ORDER BY d.id DESC LIMIT 50"),
        plan(
            database,
            f"{log._COLUMNS} WHERE d.tenant = 'default' AND d.job_id = {JOB} ORDER BY d.id DESC LIMIT 50",
        ),
        plan(
            database,
            f"UPDATE webhook_deliveries SET state = 'canceled' WHERE job_id = {JOB} AND state = 'pending'",
        ),
    ]
    assert [p for p in plans if "Seq Scan on webhook_deliveries" in p] == []


def plan(db: Database, statement: str, bound: bool = False) -> str:
    """Return Postgres' plan of a statement."""
    explained = sa.text(f"EXPLAIN {statement}")
    numbers = {"worker": "w", "lease": 60, "most": 100, "after_tenant": "", "after_host": ""}
    numbers |= {"free_all": 64, "free_first": 48, "free_again": 16}
    if bound:
        explained = explained.bindparams(*queue._CLAIM._bindparams.values())
        numbers |= {name: [] for name in ("tenants", "hosts", "alls", "firsts", "agains", "held")}
    with db.transaction() as connection:
        return "\n".join(connection.execute(explained, numbers if bound else {}).scalars())


def test_the_trigger_leaves_other_updates_alone(database: Database) -> None:
    """A change that is no news makes no row."""
    job_id = job_with(database, URL, *ALL)
    execute(database, "UPDATE jobs SET name = 'x' WHERE id = :id", id=job_id)
    assert row(database, "SELECT count(*) AS n FROM webhook_deliveries").n == 0
