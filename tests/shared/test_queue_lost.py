"""Leases and losses by hand: fence, heartbeat, expiry, crash, hand back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from shared.db import Database
from shared.jobs import claim as claims
from shared.jobs import crash
from shared.jobs.batch import commit_batch
from shared.jobs.commit import Committed, commit_finished
from shared.status import ItemStatus
from tests.queue_driver import counts, execute, finished, row, submit, take

TTL = 3600.0
Commit = Callable[..., Committed]


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
    assert (new.attempt, new.losses, new.crashes) == (2, 1, 0)
    assert counts(database, job_id)["succeeded"] == 2


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
    """A graceful stop returns the chunk as if it had never been claimed."""
    submit(database)
    held = take(database)[0]

    claims.hand_back(database, [held])
    again = take(database)[0]

    assert (again.id, again.attempt, again.losses, again.crashes) == (held.id, 1, 0, 0)
    assert again.token != held.token


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        ((0, 100, 40, 0), [(0, 40, 0, 0), (40, 100, 1, 0)]),
        ((0, 100, 0, 0), [(0, 100, 1, 0)]),
        ((0, 100, 100, 0), [(0, 99, 0, 0), (99, 100, 1, 0)]),
        ((0, 100, 40, 1), [(0, 40, 0, 0), (40, 72, 1, 0), (72, 100, 0, 0)]),
        ((0, 100, 90, 1), [(0, 90, 0, 0), (90, 100, 1, 0)]),
        ((40, 72, 50, 1), [(40, 50, 0, 0), (50, 51, 2, 1), (51, 72, 0, 0)]),
        ((7, 8, 7, 0), [(7, 8, 1, 0)]),
        ((7, 8, 7, 1), [(7, 8, 2, 1)]),
        ((7, 8, 7, 2), [(7, 8, 3, 0)]),
    ],
)
def test_a_lost_chunk_is_cut_around_its_position(
    lost: tuple[int, int, int, int], expected: list[tuple[int, int, int, int]]
) -> None:
    """The pieces cover the chunk; a crash is that of an item which was in hand alone, in its worker."""
    first, end, position, losses = lost

    assert crash.pieces(first, end, position, losses=losses) == expected


@settings_of_hypothesis(max_examples=200)
@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 50), st.integers(0, 5))
def test_a_lost_host_is_no_crash(first: int, length: int, reached: int, losses: int) -> None:
    """The pieces cover the chunk without gap or overlap, and nothing is held against any image."""
    position = first + min(reached, length)

    cut = crash.pieces(first, first + length, position, losses=losses, seen=False)

    assert [seq for piece in cut for seq in range(piece.first, piece.end)] == list(
        range(first, first + length)
    )
    assert {piece.crashes for piece in cut} == {0}


def test_no_number_of_lost_hosts_makes_a_verdict(database: Database) -> None:
    """An image that was alone in hand when five hosts went has no crash on its account, and rests in between."""
    submit(database, [(0, 1)])
    for _ in range(5):
        execute(database, "UPDATE chunks SET not_before = NULL")
        take(database, lease_s=-1)
        crash.expire_leases(database, lease_s=15, grace_s=0)

    found = row(
        database,
        "SELECT losses, crashes, round(extract(epoch FROM not_before - now())) AS rests_s FROM chunks",
    )
    assert found == (5, 0, 8)


def test_an_item_that_crashed_apart_rests_before_it_is_tried_again(database: Database) -> None:
    """The crash counts once, the chunk is free again, and whoever lost it meanwhile counts nothing."""
    submit(database, [(0, 1)])
    held = take(database)[0]

    assert crash.item_crashed(database, held)
    assert not crash.item_crashed(database, held)

    found = row(database, "SELECT state, crashes, not_before > now() AS rests FROM chunks")
    assert found == ("pending", 1, True)


def test_a_dead_child_is_replaced_at_once(database: Database) -> None:
    """What its parent reports comes back without waiting for the lease."""
    submit(database, [(0, 10)])
    held = take(database, worker="host:1:99")[0]
    claims.heartbeat(database, [held], [4], lease_s=15, limit_s=60)

    assert crash.lease_holders(database, "host:1:") == ["host:1:99"]
    assert crash.child_lost(database, "host:1:99") == 1

    pieces = [take(database)[0] for _ in range(2)]
    assert sorted((c.first_seq, c.end_seq, c.losses) for c in pieces) == [(0, 4, 0), (4, 10, 1)]


def test_a_token_is_not_guessed(database: Database) -> None:
    """The fence asks for the token, not only for id and attempt."""
    submit(database)
    held = take(database)[0]

    outcome = commit_finished(database, [finished(replace(held, token=uuid4()))], results_ttl_s=TTL)

    assert outcome.lost != []
