"""What the database holds about jobs, whoever asks: keys, states, partitions, purges."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from shared import status
from shared.db import Database
from shared.errors import IdempotencyKeyReused, Unavailable
from shared.jobs import sweep
from shared.jobs.arrivals import abandon_inputs, begin_input
from shared.jobs.commit import commit_finished
from shared.jobs.submit import submit_job
from shared.jobs.uploads import touch_inputs
from shared.status import ItemStatus
from tests.queue_driver import execute, finished, new_job, row, submit, take

TTL = 3600.0


def test_an_idempotency_key_gives_the_first_job_again(database: Database) -> None:
    """The same content returns the first job, other content is refused."""
    keyed = replace(new_job(), idempotency_key="k", fingerprint="f")
    first = submit_job(database, keyed)

    again = submit_job(database, keyed)

    assert (again.job_id, again.replayed) == (first.job_id, True)
    with pytest.raises(IdempotencyKeyReused):
        submit_job(database, replace(keyed, fingerprint="g"))


def test_two_submissions_at_once_with_one_key_make_one_job(database: Database) -> None:
    """Both callers get the same job, and one of them is told that it was replayed."""
    keyed = replace(new_job(), idempotency_key="k", fingerprint="f")
    barrier = threading.Barrier(6)

    def work(_: int) -> tuple[UUID, bool]:
        barrier.wait()
        done = submit_job(database, keyed)
        return done.job_id, done.replayed

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(work, range(6)))

    assert len({job for job, _ in answers}) == 1
    assert [replayed for _, replayed in answers].count(False) == 1
    assert row(database, "SELECT count(*) AS n FROM jobs").n == 1


def test_an_upload_that_was_collected_meanwhile_makes_no_job(database: Database) -> None:
    """A job never refers to a file that is being removed."""
    input_id, _ = begin_input(database, "default", "a.zip", "application/zip")
    late = new_job()
    late = replace(late, inputs=[replace(late.inputs[0], id=input_id, inline=None)])
    touch_inputs(database, [input_id])
    execute(database, "UPDATE inputs SET touched_at = now() - interval '1 hour'")
    assert sweep.collect_stale_uploads(database, stale_s=300) == 1

    with pytest.raises(Unavailable):
        submit_job(database, late)

    with pytest.raises(Unavailable):
        touch_inputs(database, [input_id])
    assert row(database, "SELECT count(*) AS n FROM jobs").n == 0


def test_abandoned_uploads_go_to_the_collector(database: Database) -> None:
    """What was given up is collected with the key of its object."""
    input_id, key = begin_input(database, "default", "a.zip", None)

    abandon_inputs(database, [input_id])

    assert sweep.collectable_inputs(database) == [(input_id, key)]


def test_the_database_holds_the_transition_table(database: Database) -> None:
    """The table in the database equals the one in the code."""
    with database.transaction() as connection:
        stored = {
            tuple(r)
            for r in connection.execute(sa.text("SELECT from_status, to_status FROM job_transitions"))
        }

    assert stored == {(str(a), str(b)) for a, after in status.TRANSITIONS.items() for b in after}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE jobs SET status = 'queued'",
        "UPDATE jobs SET succeeded = 0, accepted = 0, failed = 1",
        "UPDATE jobs SET status = 'failed'",
    ],
)
def test_the_database_refuses_to_change_an_ended_job(database: Database, change: str) -> None:
    """Neither state nor counts of a terminal job can be changed, whoever tries."""
    submit(database)
    commit_finished(database, [finished(take(database)[0])], results_ttl_s=TTL)

    with pytest.raises(DBAPIError):
        execute(database, change)


def test_every_update_raises_the_version(database: Database) -> None:
    """Whatever changes a job can be noticed by its version."""
    job_id = submit(database)

    execute(database, "UPDATE jobs SET name = 'x' WHERE id = :id", id=job_id)

    assert row(database, "SELECT version FROM jobs WHERE id = :id", id=job_id).version == 2


def test_items_lie_in_the_partition_of_their_job(database: Database) -> None:
    """No row falls into the default partition."""
    submit(database)
    commit_finished(database, [finished(take(database)[0])], results_ttl_s=TTL)

    made, stray = sweep.make_partitions(database, weeks_ahead=6)

    assert (made, stray) == (2, False)


def test_a_stranded_job_is_cut_anew(database: Database) -> None:
    """Items without a row and without a chunk get one again."""
    job_id = submit(database, [(0, 2), (2, 6), (6, 9)])
    commit_finished(database, [finished(c) for c in (take(database)[0],)], results_ttl_s=TTL)
    execute(database, "DELETE FROM chunks WHERE state <> 'done'")

    assert sweep.stranded(database, older_s=-1) == [job_id]
    assert sweep.cut_anew(database, job_id) == 1

    rest = take(database)[0]
    assert (rest.first_seq, rest.end_seq) == (2, 9)


def test_a_purge_keeps_inputs_that_a_retry_needs(database: Database) -> None:
    """Deleting the parent leaves the file that its retry refers to."""
    parent = submit(database)
    commit_finished(database, [finished(take(database)[0], ItemStatus.FAILED)], results_ttl_s=TTL)
    shared = row(database, "SELECT input_id FROM job_inputs WHERE job_id = :id", id=parent).input_id
    again = replace(new_job(), inputs=[], shared_inputs=[shared], parent_id=parent, attempt=2)
    child = submit_job(database, again).job_id
    execute(database, "UPDATE jobs SET deleted_at = now() WHERE id = :id", id=parent)

    assert sweep.purgeable(database) == [parent]
    assert sweep.purge_items(database, parent)
    sweep.purge_rest(database, parent)

    assert sweep.collectable_inputs(database) == []
    assert row(database, "SELECT id FROM jobs").id == child
