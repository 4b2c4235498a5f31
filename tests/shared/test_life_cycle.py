"""The life of jobs by a state machine: whatever workers, users and stewards do in whatever order, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase
from hypothesis import settings as settings_of_hypothesis
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.blobs_local import LocalBlobs
from shared.contracts import Claim, NewManifest
from shared.db import Database
from shared.errors import InkqueueError
from shared.jobs import claim as claims
from shared.jobs import crash, sweep
from shared.jobs.commit import commit_finished, commit_prefix
from shared.jobs.remove import delete_job
from shared.jobs.retry import retry_job
from shared.jobs.stop import finish_stop, request_stop
from shared.jobs.submit import submit_job
from shared.manifest import ManifestBuilder
from shared.settings import Settings
from shared.status import TERMINAL, TRANSITIONS, ItemStatus, JobStatus, Lane, StopReason
from tests.queue_driver import execute, finished, new_job, take

TTL = 3600.0
MOST_OPEN = 6
_JOBS = """SELECT id, status, version, total, succeeded, failed, skipped, canceled, expired, accepted, review,
    finished_at FROM jobs WHERE id = ANY (:ids)"""
_ITEMS = "SELECT job_id, seq, status FROM items WHERE job_id = ANY (:ids) ORDER BY job_id, seq"
_CHUNKS = "SELECT job_id, first_seq, end_seq FROM chunks WHERE job_id = ANY (:ids) AND state <> 'done'"
pick = st.integers(0, 1 << 16)


class LifeCycle(RuleBasedStateMachine):
    """Jobs, the claims that workers hold or believe to hold, and what was seen of each job last."""

    database: Database
    settings: Settings
    blobs: LocalBlobs

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[UUID] = []
        self.seen: dict[UUID, tuple[int, str]] = {}
        self.written: dict[UUID, dict[int, str]] = {}
        self.held: list[Claim] = []
        self.ghosts: list[Claim] = []
        self.keys: dict[str, UUID] = {}
        self.name = uuid4()

    # --- users

    @rule(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=3), priority=st.integers(0, 2))
    def submit(self, sizes: list[int], priority: int) -> None:
        """Submit a job of some chunks."""
        if len(self._open()) < MOST_OPEN:
            self._submit(sizes, priority=priority)

    @rule(key=st.sampled_from("ab"), size=st.integers(1, 3))
    def submit_with_a_key(self, key: str, size: int) -> None:
        """The same key with the same content is the same job, as long as that is there."""
        name = f"{self.name}-{key}"
        if name in self.keys and self.keys[name] not in self.jobs:
            return
        known = name in self.keys
        code = refusal(lambda: self.keys.setdefault(name, self._submit_once(name, size)))
        assert code in {None, "idempotency_key_reused"}
        assert known or code is None

    @precondition(lambda self: self.jobs)
    @rule(which=pick, reason=st.sampled_from(StopReason))
    def stop(self, which: int, reason: StopReason) -> None:
        """Cancel a job, or let its deadline pass."""
        request_stop(self.database, self._job(which), reason)

    @precondition(lambda self: self.jobs)
    @rule(which=pick)
    def retry(self, which: int) -> None:
        """Make a job of what did not succeed; refused while there is nothing."""
        if len(self._open()) >= MOST_OPEN:
            return
        job = self._job(which)
        again = lambda: retry_job(self.database, self.blobs, self.settings, "default", job).job_id  # noqa: E731
        code = refusal(lambda: self.jobs.append(again()))
        assert code in {None, "job_active", "nothing_to_retry"}

    @precondition(lambda self: self.jobs)
    @rule(which=pick)
    def delete(self, which: int) -> None:
        """Delete a job and let the steward purge it; refused while it is open."""
        job = self._job(which)
        code = refusal(lambda: delete_job(self.database, "default", job))
        assert code == (None if JobStatus(self.seen[job][1]) in TERMINAL else "job_active")
        if code:
            return
        while not sweep.purge_items(self.database, job):
            pass
        sweep.purge_rest(self.database, job)
        self.jobs.remove(job)
        assert self._rows(_ITEMS, [job]) == []

    # --- workers

    @rule(lane=st.sampled_from(Lane), worker=st.sampled_from(["host:1:1", "host:1:2", "other:1:1"]))
    def claim(self, lane: Lane, worker: str) -> None:
        """Take the next chunk of a lane; nobody else holds it. A retry of a single item is interactive."""
        for one in take(self.database, lane, worker=worker):
            assert one.id not in {held.id for held in self.held if self._is_leased(held)}
            self.held.append(one)

    @precondition(lambda self: self.held)
    @rule(which=pick, status=st.sampled_from([ItemStatus.SUCCEEDED, ItemStatus.FAILED]))
    def commit(self, which: int, status: ItemStatus) -> None:
        """Write a whole chunk; who has lost it writes nothing."""
        one = self.held.pop(which % len(self.held))
        leased = self._is_leased(one)
        lost = commit_finished(self.database, [finished(one, status)], results_ttl_s=TTL).lost
        assert bool(lost) != leased
        self.ghosts.append(one)

    @precondition(lambda self: self.held)
    @rule(which=pick, share=st.floats(0.1, 0.9))
    def commit_part(self, which: int, share: float) -> None:
        """Write the first part of a chunk; the rest goes back into the line."""
        one = self.held[which % len(self.held)]
        count = int(share * (one.end_seq - one.first_seq))
        if count:
            self.held.remove(one)
            commit_prefix(self.database, finished(one, count=count), results_ttl_s=TTL)
            self.ghosts.append(one)

    @precondition(lambda self: self.ghosts)
    @rule(which=pick)
    def come_back(self, which: int) -> None:
        """A worker that was away for long writes what it thinks is its own: nothing of it counts."""
        one = self.ghosts[which % len(self.ghosts)]
        assert commit_finished(self.database, [finished(one)], results_ttl_s=TTL).lost == [one]

    @precondition(lambda self: self.held)
    @rule(which=pick, reached=st.floats(0.0, 1.0))
    def beat(self, which: int, reached: float) -> None:
        """Prolong a lease and tell how far the work has come."""
        one = self.held[which % len(self.held)]
        position = one.first_seq + int(reached * (one.end_seq - one.first_seq))
        leased = self._is_leased(one)
        alive = claims.heartbeat(self.database, [one], [position], lease_s=15, limit_s=60)
        assert (one.id in alive) == leased

    @precondition(lambda self: self.held)
    @rule(which=pick)
    def hand_back(self, which: int) -> None:
        """Stop gracefully."""
        one = self.held.pop(which % len(self.held))
        claims.hand_back(self.database, [one])
        self.ghosts.append(one)

    @precondition(lambda self: self.held)
    @rule(which=pick)
    def lose_the_host(self, which: int) -> None:
        """Let a lease run out; the worker may come back later."""
        one = self.held.pop(which % len(self.held))
        execute(
            self.database,
            "UPDATE chunks SET lease_until = clock_timestamp() - interval '1 s' WHERE id = :id AND token = :token",
            id=one.id,
            token=one.token,
        )
        crash.expire_leases(self.database, lease_s=15, grace_s=0)
        self.ghosts.append(one)

    @rule(worker=st.sampled_from(["host:1:1", "host:1:2"]))
    def lose_the_child(self, worker: str) -> None:
        """A parent reports that its child is dead."""
        mine = [one for one in self.held if self._holder(one) == worker]
        crash.child_lost(self.database, worker)
        self.held = [one for one in self.held if one not in mine]
        self.ghosts += mine

    # --- the steward

    @precondition(lambda self: self.jobs)
    @rule(which=pick, budget=st.integers(1, 30))
    def go_on_stopping(self, which: int, budget: int) -> None:
        """Write some of the items that nobody will read."""
        finish_stop(self.database, self.blobs, self._job(which), results_ttl_s=TTL, budget_items=budget)

    @rule()
    def rescue(self) -> None:
        """There is never a job without an open chunk that is not at its end."""
        assert sweep.stranded(self.database, older_s=0.0) == []

    # --- what always holds

    @invariant()
    def the_laws_hold(self) -> None:
        """Look at rows first, then at what the jobs say of them."""
        self.every_item_is_in_one_place()
        self.counters_tell_what_is_written()

    def every_item_is_in_one_place(self) -> None:
        """Each number of a job has one row or lies in one open chunk; what is written stays as it is."""
        places: dict[UUID, list[int]] = {job: [] for job in self.jobs}
        now: dict[UUID, dict[int, str]] = {job: {} for job in self.jobs}
        for row in self._rows(_ITEMS, self.jobs):
            places[row.job_id].append(row.seq)
            now[row.job_id][row.seq] = row.status
        for row in self._rows(_CHUNKS, self.jobs):
            places[row.job_id] += range(row.first_seq, row.end_seq)
        for row in self._rows(_JOBS, self.jobs):
            assert sorted(places[row.id]) == list(range(row.total))
            assert self.written.get(row.id, {}).items() <= now[row.id].items()
        self.written = now

    def counters_tell_what_is_written(self) -> None:
        """Counters are those of the rows, versions rise, states follow the table, an end is complete."""
        for row in self._rows(_JOBS, self.jobs):
            found = list(self.written[row.id].values())
            for status in ItemStatus:
                assert getattr(row, status.value) == found.count(status)
            assert row.accepted + row.review == row.succeeded
            version, before = self.seen.get(row.id, (0, row.status))
            assert row.version >= version
            assert row.status == before or JobStatus(row.status) in reachable(JobStatus(before))
            assert (JobStatus(row.status) in TERMINAL) == (len(found) == row.total) == bool(row.finished_at)
            self.seen[row.id] = (row.version, row.status)

    def teardown(self) -> None:
        """Let a sound worker and the steward finish: every job ends."""
        execute(self.database, "UPDATE chunks SET not_before = NULL WHERE not_before IS NOT NULL")
        execute(self.database, "UPDATE chunks SET lease_until = '2000-01-01' WHERE state = 'leased'")
        crash.expire_leases(self.database, lease_s=15, grace_s=0)
        for job in self.jobs:
            finish_stop(self.database, self.blobs, job, results_ttl_s=TTL, budget_items=1 << 20)
        execute(self.database, "UPDATE chunks SET not_before = NULL WHERE not_before IS NOT NULL")
        while taken := [one for lane in Lane for one in take(self.database, lane)]:
            commit_finished(self.database, [finished(one) for one in taken], results_ttl_s=TTL)
        self.the_laws_hold()
        assert self._open() == []

    # --- means

    def _submit(self, sizes: list[int], **more: Any) -> UUID:
        builder, ends = ManifestBuilder(), [sum(sizes[: n + 1]) for n in range(len(sizes))]
        for number in range(ends[-1]):
            builder.add_whole(0, f"{number}.png", 3)
        job = new_job([(end - size, end) for size, end in zip(sizes, ends, strict=True)], **more)
        manifest = NewManifest(state="items", total=ends[-1], inline=builder.build())
        made = submit_job(self.database, type(job)(**{**fields(job), "manifest": manifest})).job_id
        if made not in self.jobs:
            self.jobs.append(made)
        return made

    def _submit_once(self, name: str, size: int) -> UUID:
        """Submit under a key; it gives the job that it gave before."""
        job = self._submit([size], idempotency_key=name, fingerprint=str(size))
        assert self.keys.get(name, job) == job
        return job

    def _job(self, which: int) -> UUID:
        return self.jobs[which % len(self.jobs)]

    def _open(self) -> list[UUID]:
        return [row.id for row in self._rows(_JOBS, self.jobs) if JobStatus(row.status) not in TERMINAL]

    def _is_leased(self, one: Claim) -> bool:
        return self._holder(one) is not None

    def _holder(self, one: Claim) -> str | None:
        statement = "SELECT worker FROM chunks WHERE id = :id AND token = :token AND state = 'leased'"
        with self.database.transaction() as connection:
            values = {"id": one.id, "token": one.token}
            found: str | None = connection.execute(sa.text(statement), values).scalar_one_or_none()
        return found

    def _rows(self, statement: str, ids: list[UUID]) -> list[Any]:
        with self.database.transaction() as connection:
            return list(connection.execute(sa.text(statement), {"ids": ids}))


def refusal(call: Callable[[], object]) -> str | None:
    """Return the code of the error that a call ends with, None when there is none."""
    try:
        call()
    except InkqueueError as error:
        return error.code
    return None


def fields(job: Any) -> dict[str, Any]:
    """Return what a dataclass with slots was made of."""
    return {name: getattr(job, name) for name in type(job).__dataclass_fields__}


def reachable(status: JobStatus) -> set[JobStatus]:
    """Return the states that may follow at once or after others: a rule may take a job several steps."""
    found: set[JobStatus] = set()
    after: Callable[[JobStatus], frozenset[JobStatus]] = TRANSITIONS.__getitem__
    waiting = [status]
    while waiting:
        new = after(waiting.pop()) - found
        found |= new
        waiting += new
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_order_of_events_loses_or_doubles_an_item(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """Users, workers that come and go and come back, and stewards in any order: the laws hold after every step."""
    machine = type(
        "Machine",
        (LifeCycle,),
        {"database": database, "settings": settings, "blobs": LocalBlobs(tmp_path / "blobs")},
    )
    run_state_machine_as_test(
        machine,
        settings=settings_of_hypothesis(
            max_examples=15,
            stateful_step_count=40,
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
