"""Read jobs: one of them, a listing, and the versions that waiters watch. Nothing here locks anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.db import Database
from shared.errors import NotFound
from shared.status import TERMINAL, JobStatus

QUEUE_LOOKED_AT = 5000
"""So many chunks ahead are counted at most: a position of a thousand is as good as one of a million."""


class InputView(TypedDict):
    """An uploaded file as the job shows it."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class JobView:
    """One job row with what a client wants to see beside it; `now` is the database's clock."""

    id: UUID
    kind: str
    name: str | None
    mode: str
    status: str
    stop_reason: str | None
    lane: str
    priority: int
    model_name: str
    model_version: str | None
    model_sha256: str | None
    template: str | None
    target_error: float | None
    total: int
    succeeded: int
    failed: int
    skipped: int
    canceled: int
    expired: int
    accepted: int
    review: int
    reviewed: int
    version: int
    attempt: int
    parent_id: UUID | None
    metadata: dict[str, str]
    webhook: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    results_expire_at: datetime | None
    purged_at: datetime | None
    now: datetime
    inputs: list[InputView]
    queue_position: int

    @property
    def done(self) -> int:
        """Return how many items have ended in any way."""
        return self.succeeded + self.failed + self.skipped + self.canceled + self.expired

    @property
    def terminal(self) -> bool:
        """Tell whether it has ended."""
        return JobStatus(self.status) in TERMINAL

    @property
    def gone(self) -> bool:
        """Tell whether its results and inputs have expired."""
        expired = self.results_expire_at is not None and self.results_expire_at <= self.now
        return expired or self.purged_at is not None


class Watched(NamedTuple):
    """How far a job has come, for those who wait."""

    version: int
    terminal: bool


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What a listing is narrowed to; `search` is a part of what a job is called, `before` the last job before."""

    kind: str = "job"
    statuses: Sequence[str] = ()
    name: str | None = None
    search: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    before: UUID | None = None


def get_job(db: Database, tenant: str, job_id: UUID) -> JobView:
    """Return a job of this tenant, of one moment.

    Raises:
        NotFound: there is none, it was deleted, or it belongs to another tenant.
    """
    with db.statement() as connection:
        row = connection.execute(_JOB, {"tenant": tenant, "id": job_id}).one_or_none()
    if row is None:
        raise NotFound("There is no job with this id.")
    return JobView(**row._mapping)


def list_jobs(db: Database, tenant: str, wanted: JobFilter, limit: int) -> list[JobView]:
    """Return up to `limit` jobs, newest first; jobs made meanwhile never shift a later page."""
    parts = ["j.tenant = :tenant", "j.kind = :kind", "j.deleted_at IS NULL"]
    values: dict[str, Any] = {"tenant": tenant, "kind": wanted.kind, "limit": limit}
    for part, value in _conditions(wanted).items():
        parts.append(part)
        values |= value
    statement = sa.text(f"{_COLUMNS}, 0 AS queue_position FROM jobs j WHERE {' AND '.join(parts)} {_NEWEST}")
    if wanted.statuses:
        statement = statement.bindparams(sa.bindparam("statuses", type_=pg.ARRAY(sa.Text())))
    with db.statement() as connection:
        jobs = [JobView(**row._mapping) for row in connection.execute(statement, values)]
        lanes = {job.lane for job in jobs if job.status in _WAITING}
        lines = {lane: list(connection.execute(_LINE, {"lane": lane}).scalars()) for lane in lanes}
    places = {lane: {job_id: n for n, job_id in enumerate(line)} for lane, line in lines.items()}
    return [
        replace(job, queue_position=places[job.lane].get(job.id, len(places[job.lane])))
        if job.status in _WAITING
        else job
        for job in jobs
    ]


def _conditions(wanted: JobFilter) -> dict[str, dict[str, Any]]:
    """Return the SQL conditions of a filter with their values."""
    conditions: dict[str, dict[str, Any]] = {}
    if wanted.statuses:
        conditions["j.status = ANY (:statuses)"] = {"statuses": list(wanted.statuses)}
    if wanted.name is not None:
        conditions["j.name = :name"] = {"name": wanted.name}
    if wanted.search is not None:
        # strpos knows no wildcards, so nothing in the text needs escaping
        conditions[f"strpos(lower({_CALLED}), lower(:search)) > 0"] = {"search": wanted.search}
    if wanted.created_after is not None:
        conditions["j.created_at > :after"] = {"after": wanted.created_after}
    if wanted.created_before is not None:
        conditions["j.created_at < :until"] = {"until": wanted.created_before}
    if wanted.before is not None:
        conditions["j.id < :before"] = {"before": wanted.before}
    return conditions


def watch_jobs(db: Database, job_ids: Sequence[UUID]) -> dict[UUID, Watched]:
    """Return version and end of these jobs, in one cheap look; deleted and unknown ones are missing."""
    with db.statement() as connection:
        rows = connection.execute(_WATCH, {"ids": list(job_ids)}).all()
    return {row.id: Watched(row.version, JobStatus(row.status) in TERMINAL) for row in rows}


_WAITING = (JobStatus.VALIDATING, JobStatus.QUEUED)
_NEWEST = "ORDER BY j.id DESC LIMIT :limit"
_CALLED = """coalesce(nullif(j.name, ''), (SELECT i.name FROM job_inputs ji JOIN inputs i ON i.id = ji.input_id
        WHERE ji.job_id = j.id ORDER BY ji.ordinal LIMIT 1))"""
"""What people see a job called: its name, else that of its first file."""
_COLUMNS = """SELECT j.id, j.kind, j.name, j.mode, j.status, j.stop_reason, j.lane, j.priority, j.model_name,
        j.model_version, j.model_sha256, j.template, j.target_error, j.total, j.succeeded, j.failed, j.skipped,
        j.canceled, j.expired, j.accepted, j.review, j.reviewed, j.version, j.attempt, j.parent_id, j.metadata,
        j.webhook, j.error, j.created_at, j.started_at, j.finished_at, j.deadline_at, j.results_expire_at,
        j.purged_at, clock_timestamp() AS now,
        coalesce((SELECT jsonb_agg(jsonb_build_object('name', i.name, 'bytes', i.bytes, 'sha256', i.sha256)
                ORDER BY ji.ordinal)
            FROM job_inputs ji JOIN inputs i ON i.id = ji.input_id WHERE ji.job_id = j.id), '[]'::jsonb) AS inputs"""
_SELECT = f"""{_COLUMNS},
        CASE WHEN j.status IN ('validating', 'queued') THEN
            (SELECT count(DISTINCT ahead.job_id)::int FROM (
                SELECT a.job_id FROM chunks a, LATERAL (
                    SELECT m.priority, m.turn, m.id FROM chunks m
                    WHERE m.job_id = j.id AND m.state = 'pending' ORDER BY m.priority, m.turn, m.id LIMIT 1) own
                WHERE a.lane = j.lane AND a.state = 'pending'
                    AND (a.priority, a.turn, a.id) < (own.priority, own.turn, own.id)
                ORDER BY a.priority, a.turn, a.id LIMIT {QUEUE_LOOKED_AT}) ahead)
        ELSE 0 END AS queue_position
    FROM jobs j"""
_JOB = sa.text(f"{_SELECT} WHERE j.id = :id AND j.tenant = :tenant AND j.deleted_at IS NULL")
_LINE = sa.text(
    f"""SELECT job_id FROM (
        SELECT job_id, row_number() OVER (ORDER BY priority, turn, id) AS place FROM (
            SELECT job_id, priority, turn, id FROM chunks WHERE lane = :lane AND state = 'pending'
            ORDER BY priority, turn, id LIMIT {QUEUE_LOOKED_AT}) head) placed
    GROUP BY job_id ORDER BY min(place)"""
)
_WATCH = sa.text(
    "SELECT id, version, status FROM jobs WHERE id = ANY (:ids) AND deleted_at IS NULL"
).bindparams(sa.bindparam("ids", type_=pg.ARRAY(pg.UUID())))
