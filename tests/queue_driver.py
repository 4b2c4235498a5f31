"""Jobs and rows for tests that drive the queue by hand, without a worker."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from shared.contracts import Claim, Finished, ItemRow, NewInput, NewJob, NewManifest
from shared.db import Database
from shared.jobs.batch import claim_batch
from shared.jobs.claim import Served, claim
from shared.jobs.submit import submit_job
from shared.status import Decision, ItemStatus, Lane

SERVED = Served(["digits"], {"digits@1.0.0": "cpu-fp32"})


def new_job(
    chunks: Sequence[tuple[int, int]] = ((0, 1),),
    *,
    lane: Lane = Lane.BULK,
    tenant: str = "default",
    **more: object,
) -> NewJob:
    """Make a job of one inline input whose chunks are these ranges."""
    upload = NewInput(name="a.png", content_type="image/png", bytes=3, sha256="00", inline=b"abc")
    return NewJob(
        inputs=[upload],
        manifest=NewManifest(state="items", total=chunks[-1][1], inline=b"not read here"),
        chunks=chunks,
        lane=lane,
        model_name="digits",
        tenant=tenant,
        **more,  # type: ignore[arg-type]  # passed through to the dataclass, which knows its fields
    )


def submit(db: Database, chunks: Sequence[tuple[int, int]] = ((0, 1),), **more: object) -> UUID:
    """Submit such a job and return its id."""
    return submit_job(db, new_job(chunks, **more)).job_id  # type: ignore[arg-type]  # as above


def take(
    db: Database, lane: Lane = Lane.BULK, *, worker: str = "host:1:2", lease_s: float = 15.0, most: int = 1
) -> list[Claim]:
    """Claim as a worker does."""
    if most > 1:
        return claim_batch(db, lane, SERVED, worker, lease_s=lease_s, most=most)[0]
    return claim(db, lane, SERVED, worker, lease_s=lease_s)


def finished(claimed: Claim, status: ItemStatus = ItemStatus.SUCCEEDED, count: int | None = None) -> Finished:
    """Make the rows of a claimed chunk, all alike."""
    end = claimed.end_seq if count is None else claimed.first_seq + count
    won = status is ItemStatus.SUCCEEDED
    rows = [
        ItemRow(
            seq=seq,
            status=status,
            name=f"{seq}.png",
            custom_id=None,
            page=1,
            prediction="7" if won else None,
            confidence=0.99 if won else None,
            probabilities=[0.1] * 10 if won else None,
            decision=Decision.ACCEPT if won else None,
            reasons=[] if won else None,
            error_code=None if won else "undecodable_image",
            error_detail=None if won else "broken",
            width=28,
            height=28,
        )
        for seq in range(claimed.first_seq, end)
    ]
    return Finished(claimed, rows, "1.0.0", "ab", "cpu-fp32", "digits@1")


def row(db: Database, statement: str, **values: object) -> sa.Row[tuple[object, ...]]:
    """Return the one row of a query."""
    with db.transaction() as connection:
        return connection.execute(sa.text(statement), values).one()


def execute(db: Database, statement: str, **values: object) -> None:
    """Run one statement."""
    with db.transaction() as connection:
        connection.execute(sa.text(statement), values)


def counts(db: Database, job_id: UUID) -> dict[str, object]:
    """Return a job's state and counters."""
    found = row(
        db,
        "SELECT status, total, succeeded, failed, canceled, accepted, review, finished_at FROM jobs WHERE id = :id",
        id=job_id,
    )
    return dict(found._mapping)
