"""The queue by hand: submit, claim, fence, commit, crash, hand back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from shared import status
from shared.db import Database
from shared.errors import IdempotencyKeyReused, Unavailable
from shared.jobs import claim as claims
from shared.jobs import crash, sweep
from shared.jobs.arrivals import abandon_inputs, begin_input
from shared.jobs.batch import commit_batch
from shared.jobs.commit import Committed, commit_finished, commit_prefix
from shared.jobs.submit import submit_job
from shared.jobs.uploads import touch_inputs
from shared.status import ItemStatus, JobStatus, Lane
from tests.queue_driver import execute, finished, new_job, row, submit, take

TTL = 3600.0
Commit = Callable[..., Committed]


def counts(db: Database, job_id: UUID) -> dict[str, object]:
    """Return a job's state and counters."""
    found = row(
        db,
        "SELECT status, total, succeeded, failed, canceled, accepted, review, finished_at FROM jobs WHERE id = :id",
        id=job_id,
    )
    return dict(found._mapping)


def test_a_submitted_job_is_claimed_and_committed_to_its_end(database: Database) -> None:
    """Two chunks committed one after the other end the job with every item once."""
    job_id = submit(database, [(0, 3), (3, 5)])

    first, second = take(database)[0], take(database)[0]
    commit_finished(database, [finished(second)], results_ttl_s=TTL)
    half = counts(database, job_id)
    commit_finished(database, [finished(first, ItemStatus.FAILED)], results_ttl_s=TTL)
    end = counts(database, job_id)

    assert (half["status"], half["succeeded"], half["finished_at"]) == ("running", 2, None)
    assert (end["status"], end["succeeded"], end["failed"]) == ("partially_succeeded", 2, 3)
    assert take(database) == []


def test_no_two_workers_get_the_same_chunk(database: Database) -> None:
    """Eight claimers at once share 200 chunks without a duplicate."""
    submit(database, [(n, n + 1) for n in range(200)])

    def work(_: int) -> list[int]:
        mine = []
        while got := take(database):
            mine.append(got[0].id)
        return mine

    with ThreadPoolExecutor(8) as pool:
        taken = [chunk for mine in pool.map(work, range(8)) for chunk in mine]

    assert Counter(taken).most_common(1)[0][1] == 1
    assert len(taken) == 200


@pytest.mark.parametrize("commit", [commit_finished, commit_batch])
def test_a_worker_that_lost_its_lease_writes_nothing(database: Database, commit: Commit) -> None:
    """The fence stops the late worker; the new owner's rows are the only ones."""
    job_id = submit(database, [(0, 2)])
    late = take(database, lease_s=-1)[0]
    crash.expire_leases(database, lease_s=15, grace_s=0)
    new = take(database)[0]

    outcome = commit(database, [finished(late, ItemStatus.FAILED)], results_ttl_s=TTL)
    commit(database, [finished(new)], results_ttl_s=TTL)

    assert outcome.lost == [late]
    assert (new.attempt, new.crashes) == (2, 1)
    assert counts(database, job_id)["succeeded"] == 2


def test_both_ways_to_commit_write_the_same(database: Database) -> None:
    """One statement for a few rows and COPY for many differ in nothing but speed."""
    jobs = [submit(database, [(0, 2), (2, 5)]) for _ in range(2)]
    for write in (commit_finished, commit_batch):
        held = [take(database)[0] for _ in range(2)]
        write(database, [finished(held[0]), finished(held[1], ItemStatus.FAILED)], results_ttl_s=TTL)

    first, second = (
        row(
            database,
            """SELECT (SELECT array_agg(to_jsonb(i) - 'job_id' ORDER BY seq) FROM items i
                WHERE i.job_id = j.id) AS rows,
            to_jsonb(j) - '{id,created_at,started_at,finished_at,results_expire_at,version}'::text[] AS job,
            finished_at IS NOT NULL AND started_at IS NOT NULL AS timed FROM jobs j WHERE id = :id""",
            id=job_id,
        )
        for job_id in jobs
    )
    assert len(first.rows) == 5
    assert first.timed
    assert tuple(first) == tuple(second)


def test_a_batch_keeps_what_is_still_held(database: Database) -> None:
    """Of two chunks in one commit the lost one is left out, and the other's job ends."""
    submit(database)
    submit(database)
    lost, kept = take(database, lease_s=-1)[0], take(database)[0]
    crash.expire_leases(database, lease_s=15, grace_s=0)

    outcome = commit_batch(database, [finished(lost), finished(kept)], results_ttl_s=TTL)

    assert outcome.lost == [lost]
    assert [(end.job_id, end.terminal) for end in outcome.jobs] == [(kept.job_id, True)]


def test_a_lease_ending_absurdly_late_counts_as_expired(database: Database) -> None:
    """After the database's clock has jumped back, no chunk stays leased for hours."""
    submit(database)
    take(database, lease_s=10_000)

    assert crash.expire_leases(database, lease_s=15, grace_s=0) == 1


def test_nobody_pays_for_an_outage_of_the_database(database: Database) -> None:
    """Right after Postgres has started, leases that ran out meanwhile are left to their workers."""
    submit(database)
    take(database, lease_s=-1)

    assert crash.expire_leases(database, lease_s=15, grace_s=1e6) == 0


def test_the_heartbeat_prolongs_and_reports_what_was_lost(database: Database) -> None:
    """Held chunks live on with their position; a lost one is missing from the answer."""
    submit(database, [(0, 5), (5, 9)])
    kept, lost = take(database)[0], take(database, lease_s=-1)[0]
    crash.expire_leases(database, lease_s=15, grace_s=0)

    alive = claims.heartbeat(database, [kept, lost], [3, 6], lease_s=15, limit_s=60)

    assert alive == {kept.id}
    assert row(database, "SELECT position FROM chunks WHERE id = :id", id=kept.id).position == 3


def test_the_heartbeat_never_prolongs_past_the_chunk_limit(database: Database) -> None:
    """A chunk that hangs goes back to the others although its process still beats."""
    submit(database)
    held = take(database)[0]

    claims.heartbeat(database, [held], [0], lease_s=15, limit_s=0)

    assert crash.expire_leases(database, lease_s=15, grace_s=0) == 1


def test_handing_back_costs_no_crash(database: Database) -> None:
    """A graceful stop returns the chunk as it was."""
    submit(database)
    held = take(database)[0]

    claims.hand_back(database, [held])
    again = take(database)[0]

    assert (again.id, again.crashes) == (held.id, 0)
    assert again.token != held.token


@pytest.mark.parametrize(
    ("first", "end", "position", "crashes", "expected"),
    [
        (0, 100, 40, 0, [(0, 40, 0), (40, 100, 1)]),
        (0, 100, 0, 0, [(0, 100, 1)]),
        (0, 100, 100, 0, [(0, 99, 0), (99, 100, 1)]),
        (0, 100, 40, 1, [(0, 40, 0), (40, 41, 1), (41, 100, 0)]),
        (7, 8, 7, 2, [(7, 8, 3)]),
    ],
)
def test_a_crashed_chunk_is_cut_around_its_position(
    first: int, end: int, position: int, crashes: int, expected: list[tuple[int, int, int]]
) -> None:
    """The pieces cover the chunk, and only the suspect one carries the crash."""
    assert crash.pieces(first, end, position, crashes) == expected


def test_a_dead_child_is_replaced_at_once(database: Database) -> None:
    """What its parent reports comes back without waiting for the lease."""
    submit(database, [(0, 10)])
    held = take(database, worker="host:1:99")[0]
    claims.heartbeat(database, [held], [4], lease_s=15, limit_s=60)

    assert crash.lease_holders(database, "host:1:") == ["host:1:99"]
    assert crash.child_lost(database, "host:1:99") == 1

    pieces = [take(database)[0] for _ in range(2)]
    assert sorted((c.first_seq, c.end_seq, c.crashes) for c in pieces) == [(0, 4, 0), (4, 10, 1)]


def test_a_chunk_out_of_time_keeps_its_finished_part(database: Database) -> None:
    """The prefix is committed and the rest is a new chunk."""
    job_id = submit(database, [(0, 10)])
    held = take(database)[0]

    commit_prefix(database, finished(held, count=6), results_ttl_s=TTL)
    rest = take(database)[0]
    commit_finished(database, [finished(rest)], results_ttl_s=TTL)

    assert (rest.first_seq, rest.end_seq) == (6, 10)
    assert counts(database, job_id)["status"] == "succeeded"
    seqs = row(database, "SELECT array_agg(seq ORDER BY seq) AS all FROM items WHERE job_id = :id", id=job_id)
    assert list(seqs._mapping["all"]) == list(range(10))


def test_an_interactive_claim_takes_all_waiting_single_items(database: Database) -> None:
    """Batches form by themselves, and a chunk that crashed before comes alone."""
    for _ in range(5):
        submit(database, lane=Lane.INTERACTIVE)
    bad = take(database, Lane.INTERACTIVE, lease_s=-1)[0]
    crash.expire_leases(database, lease_s=15, grace_s=0)

    batches = [take(database, Lane.INTERACTIVE, most=64) for _ in range(3)]

    assert sorted(len(batch) for batch in batches) == [0, 1, 4]
    assert [c.id for batch in batches for c in batch if c.crashes] == [bad.id]


def test_a_large_tenant_does_not_delay_a_small_one(database: Database) -> None:
    """With 300 chunks waiting, another tenant's 3 are served within the next 7 claims."""
    execute(database, "INSERT INTO tenants (id) VALUES ('small')")
    submit(database, [(n, n + 1) for n in range(300)])
    for _ in range(10):
        take(database)
    small = submit(database, [(0, 1), (1, 2), (2, 3)], tenant="small")

    order = [take(database)[0].job_id for _ in range(7)]

    assert order.count(small) == 3


def test_high_priority_overtakes(database: Database) -> None:
    """A job of high priority is claimed before older ones."""
    submit(database, [(n, n + 1) for n in range(5)])
    urgent = submit(database, priority=0)

    assert take(database)[0].job_id == urgent


def test_a_worker_claims_only_models_that_it_serves(database: Database) -> None:
    """A job pinned to another version or engine class waits for a worker that has it."""
    job_id = submit(database)
    execute(database, "UPDATE jobs SET model_version = '9.9.9' WHERE id = :id", id=job_id)

    assert take(database) == []


def test_starting_a_job_pins_its_model_for_good(database: Database) -> None:
    """The second worker learns what the first one has chosen."""
    job_id = submit(database, [(0, 1), (1, 2)])
    pin = {"model_sha256": "x", "engine_class": "cpu-fp32", "preparation": "digits@1"}

    first = claims.start(database, job_id, model_version="1.0.0", **pin)
    second = claims.start(database, job_id, model_version="2.0.0", **pin)

    assert first is not None
    assert second is not None
    assert (first.model_version, second.model_version) == ("1.0.0", "1.0.0")
    assert second.status == JobStatus.RUNNING


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


def test_a_token_is_not_guessed(database: Database) -> None:
    """The fence asks for the token, not only for id and attempt."""
    submit(database)
    held = take(database)[0]

    outcome = commit_finished(database, [finished(replace(held, token=uuid4()))], results_ttl_s=TTL)

    assert outcome.lost != []
