"""The queue by hand: submit, claim, commit, take turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from shared.db import Database
from shared.jobs import claim as claims
from shared.jobs import crash
from shared.jobs.batch import commit_batch
from shared.jobs.commit import Committed, commit_finished, commit_prefix
from shared.status import ItemStatus, JobStatus, Lane
from tests.queue_driver import counts, execute, finished, row, submit, take

TTL = 3600.0
Commit = Callable[..., Committed]


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
    assert [c.id for batch in batches for c in batch if c.losses] == [bad.id]


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
