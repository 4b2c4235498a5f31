"""What is old is removed from the log; what belongs to a purged job goes with it."""

from __future__ import annotations

from shared.db import Database
from shared.jobs.sweep import purge_rest
from shared.webhooks.log import forget_deliveries
from tests.queue_driver import execute
from tests.webhooks.driver import deliveries, ended_job

URL = "https://receiver.example/hook"


def test_old_deliveries_are_removed_in_batches(database: Database) -> None:
    """By age alone, never those that are being sent."""
    execute(
        database,
        """INSERT INTO webhook_deliveries (id, tenant, event, url, token, next_attempt_at)
        SELECT uuidv7(interval '-40 days'), 'default', 'job.reviewed', :url,
            CASE WHEN n = 1 THEN gen_random_uuid() END, now() + interval '1 minute' FROM generate_series(1, 25) n""",
        url=URL,
    )
    kept = ended_job(database, URL)
    assert forget_deliveries(database, older_s=30 * 86400.0, batch=10) == 10
    while forget_deliveries(database, older_s=30 * 86400.0, batch=10):
        pass
    assert len(deliveries(database)) == 2
    assert len(deliveries(database, kept)) == 1


def test_a_purged_job_takes_its_deliveries_with_it(database: Database) -> None:
    """Nothing of it stays in the log."""
    job_id = ended_job(database, URL)
    purge_rest(database, job_id)
    assert deliveries(database, job_id) == []
