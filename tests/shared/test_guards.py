"""The database itself holds the life of a job together: whoever writes SQL by hand is refused what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from shared.contracts import NewManifest
from shared.db import Database
from shared.jobs import claim as claims
from shared.jobs import sweep
from shared.jobs.commit import commit_finished
from shared.jobs.submit import submit_job
from shared.status import TERMINAL, TRANSITIONS, JobStatus
from tests.queue_driver import execute, finished, new_job, row, submit, take

COUNTS = {
    JobStatus.SUCCEEDED: "succeeded = total, accepted = total",
    JobStatus.PARTIALLY_SUCCEEDED: "succeeded = 1, accepted = 1, failed = total - 1",
    JobStatus.FAILED: "failed = total",
    JobStatus.CANCELED: "canceled = total",
    JobStatus.EXPIRED: "expired = total",
}
"""What a job's counts must be at each end, so that nothing but the transition can be at fault."""
PAIRS = [(a, b) for a in JobStatus for b in JobStatus if a is not b]
COUNTERS = ("succeeded", "failed", "skipped", "canceled", "expired")


def job_in(database: Database, status: JobStatus) -> UUID:
    """Make a job of two items that is in this state; from `validating` all others can be reached."""
    counting = NewManifest(state="inputs", total=2, inline=b"not read here")
    job_id = submit_job(database, replace(new_job([(0, 2)]), manifest=counting)).job_id
    if status is not JobStatus.VALIDATING:
        put_into(database, job_id, status)
    return job_id


def put_into(database: Database, job_id: UUID, status: JobStatus) -> None:
    """Change a job's state by hand, counts and time included, as one would who knows the columns."""
    ended = f"{COUNTS.get(status)}, finished_at = coalesce(finished_at, clock_timestamp())"
    change = ended if status in TERMINAL else "finished_at = NULL"
    execute(database, f"UPDATE jobs SET status = :to, {change} WHERE id = :id", id=job_id, to=str(status))


def refusal(work: Callable[[], object]) -> str | None:
    """Return the name of the rule that the database refuses this by."""
    with pytest.raises(DBAPIError) as caught:
        work()
    assert isinstance(caught.value.orig, psycopg.errors.CheckViolation)
    return caught.value.orig.diag.constraint_name


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_state_follows_only_where_the_table_says_so(
    database: Database, before: JobStatus, after: JobStatus
) -> None:
    """Of all pairs of states the database takes those of the transition table and refuses every other."""
    job_id = job_in(database, before)
    change = partial(put_into, database, job_id, after)
    allowed = after in TRANSITIONS[before]

    outcome = change() if allowed else refusal(change)

    assert outcome == (None if allowed else "job_transitions")
    stored = row(database, "SELECT status FROM jobs WHERE id = :id", id=job_id).status
    assert stored == (after if allowed else before)


@pytest.mark.parametrize("status", sorted(TERMINAL))
@pytest.mark.parametrize("column", [*COUNTERS, "total", "accepted"])
@pytest.mark.parametrize("step", [1, -1])
def test_the_counts_of_an_ended_job_are_final(
    database: Database, status: JobStatus, column: str, step: int
) -> None:
    """No counter of an ended job changes, up or down, nor its total."""
    job_id = job_in(database, status)
    change = f"UPDATE jobs SET {column} = {column} + {step} WHERE id = :id"
    assert refusal(partial(execute, database, change, id=job_id)) == "terminal_counts_final"


@pytest.mark.parametrize("status", sorted(TERMINAL))
@pytest.mark.parametrize("claimed", sorted(TERMINAL))
def test_an_end_follows_from_the_counts(database: Database, status: JobStatus, claimed: JobStatus) -> None:
    """A job whose items ended one way cannot be said to have ended another way."""
    job_id = job_in(database, JobStatus.RUNNING)
    change = f"UPDATE jobs SET status = :to, {COUNTS[status]}, finished_at = now() WHERE id = :id"
    end = partial(execute, database, change, id=job_id, to=str(claimed))
    assert (end() if status is claimed else refusal(end)) == (
        None if status is claimed else "end_follows_counts"
    )


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("succeeded = 0, accepted = 0", "counts_only_rise"),
        ("total = total + 1", "total_final"),
        ("total = total - 1", "total_final"),
        ("failed = failed + 2", "counts_add_up"),
        ("accepted = 2", "decisions_add_up"),
        ("finished_at = now()", "open_is_unfinished"),
        ("status = 'succeeded', finished_at = now()", "terminal_is_complete"),
        ("id = uuidv7()", "job_identity"),
        ("status = 'lost'", "job_transitions"),
        ("lane = 'fast'", "lane_known"),
    ],
)
def test_a_running_job_stays_sound(database: Database, change: str, rule: str) -> None:
    """Counts only rise and add up, the total is final, and no job ends before its last item."""
    submit(database, [(0, 1), (1, 2)])
    commit_finished(database, [finished(take(database)[0])], results_ttl_s=60.0)
    assert refusal(partial(execute, database, f"UPDATE jobs SET {change}")) == rule


def test_the_total_is_open_while_pages_are_counted(database: Database) -> None:
    """Until the pages are counted the total may change, also when a cancel has come meanwhile."""
    counting, stopping = job_in(database, JobStatus.VALIDATING), job_in(database, JobStatus.CANCELING)
    execute(database, "UPDATE jobs SET total = 9")
    found = row(
        database,
        "SELECT array_agg(total) AS totals FROM jobs WHERE id = ANY (:ids)",
        ids=[counting, stopping],
    )
    assert found.totals == [9, 9]


@pytest.mark.parametrize(
    "status", [s for s in JobStatus if s not in {JobStatus.VALIDATING, JobStatus.QUEUED}]
)
def test_no_job_is_born_in_the_middle_of_its_life(database: Database, status: JobStatus) -> None:
    """A row that begins anywhere but at the beginning is refused."""
    born = "INSERT INTO jobs (status, lane, model_name) VALUES (:status, 'bulk', 'digits')"
    assert refusal(partial(execute, database, born, status=str(status))) == "jobs_begin"


@pytest.mark.parametrize("status", list(JobStatus))
def test_no_job_goes_that_was_not_deleted(database: Database, status: JobStatus) -> None:
    """An open job cannot be removed at all, an ended one only after its deletion."""
    job_id = job_in(database, status)
    for table in ("chunks", "manifests", "job_inputs"):
        execute(database, f"DELETE FROM {table} WHERE job_id = :id", id=job_id)
    remove = partial(execute, database, "DELETE FROM jobs WHERE id = :id", id=job_id)
    assert refusal(remove) == "jobs_stay"

    execute(database, "UPDATE jobs SET deleted_at = now() WHERE id = :id", id=job_id)
    if status in TERMINAL:
        remove()
    else:
        assert refusal(remove) == "jobs_stay"


@pytest.mark.parametrize(
    "attack",
    [
        "INSERT INTO job_transitions VALUES ('succeeded', 'running')",
        "UPDATE job_transitions SET to_status = 'queued'",
        "DELETE FROM job_transitions",
        "TRUNCATE job_transitions",
    ],
)
def test_nobody_opens_another_way_for_jobs(database: Database, attack: str) -> None:
    """The table that the guard asks cannot be changed either."""
    assert refusal(partial(execute, database, attack)) == "job_transitions_fixed"


def test_results_are_written_once_and_stay(database: Database) -> None:
    """Items of an ended job are neither changed nor removed before the job is deleted or has expired."""
    job_id = submit(database, [(0, 3)])
    commit_finished(database, [finished(take(database)[0])], results_ttl_s=60.0)

    for change in (
        "status = 'failed'",
        "seq = seq + 10",
        "prediction = '8'",
        "decision = 'accept'",
        "name = 'x'",
    ):
        assert refusal(partial(execute, database, f"UPDATE items SET {change}")) == "items_final"
    assert refusal(partial(execute, database, "DELETE FROM items WHERE seq = 1")) == "items_stay"
    again = "INSERT INTO items (job_id, seq, status, name, page) VALUES (:id, 1, 'failed', 'x', 1)"
    with pytest.raises(DBAPIError, match="duplicate key"):
        execute(database, again, id=job_id)

    execute(database, "UPDATE jobs SET results_expire_at = now() - interval '1 second'")
    assert sweep.purge_items(database, job_id)
    assert row(database, "SELECT count(*) AS n FROM items").n == 0


def test_a_deleted_job_does_not_come_back(database: Database) -> None:
    """What was hidden from everybody stays hidden: its rows may be gone in part."""
    job_in(database, JobStatus.FAILED)
    execute(database, "UPDATE jobs SET deleted_at = now()")
    assert refusal(partial(execute, database, "UPDATE jobs SET deleted_at = NULL")) == "job_identity"


@pytest.mark.parametrize(
    "change", ["state = 'pending'", "state = 'leased', token = uuidv7()", "attempt = attempt - 1"]
)
def test_a_chunk_that_is_done_stays_done(database: Database, change: str) -> None:
    """No chunk is worked on a second time after its items were written, and no attempt is taken back."""
    submit(database)
    commit_finished(database, [finished(take(database)[0])], results_ttl_s=60.0)
    assert refusal(partial(execute, database, f"UPDATE chunks SET {change}")) == "chunks_guard"


def test_a_chunk_in_work_keeps_its_attempts(database: Database) -> None:
    """The fence would fail if an attempt could come a second time."""
    submit(database)
    (held,) = take(database)
    assert refusal(partial(execute, database, "UPDATE chunks SET attempt = 0")) == "chunks_guard"
    assert claims.hand_back(database, [held]) == 1


@pytest.mark.parametrize("change", ["receiving", "attached"])
def test_a_file_that_is_being_removed_does_not_come_back(database: Database, change: str) -> None:
    """Its object may be gone already."""
    submit(database)
    execute(database, "UPDATE inputs SET state = 'collecting'")
    back = partial(execute, database, "UPDATE inputs SET state = :to", to=change)
    assert refusal(back) == "inputs_guard"
