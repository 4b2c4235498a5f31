"""Jobs: one, many, cancel, retry, delete, summary."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal

import anyio.to_thread
import orjson
import structlog
from fastapi import APIRouter, Header, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.answers import Json, job_answer, job_headers
from api.auth import Reader, Submitter
from api.idempotency import Once
from api.openapi import problems
from api.options import MOST_WAIT_S, Text
from api.render import summary_document
from api.schemas import Job, JobList, JobSummary
from api.services import Parts, Services
from api.strict import StrictRoute
from shared.documents import job_document
from shared.ids import CURSOR_PATTERN, cursor_text, job_id_text, parse_cursor, parse_job_id
from shared.jobs.read import JobFilter, JobView, get_job, list_jobs
from shared.jobs.remove import delete_job
from shared.jobs.retry import retry_job
from shared.jobs.stop import finish_stop, request_stop
from shared.jobs.summary import Summary, check_results, summarize
from shared.logs import get_logger
from shared.status import JobStatus, StopReason

log = get_logger(__name__)
router = APIRouter(tags=["jobs"], route_class=StrictRoute)

STOPPED_AT_ONCE = 2000
"""Items that a cancel writes itself; the steward writes the rest."""

Cursor = Annotated[
    str | None,
    Query(description="`next_cursor` of the page before.", json_schema_extra={"pattern": CURSOR_PATTERN}),
]
JobId = Annotated[str, Path(description="`job_…`", examples=["job_0198f6c2a1b47c3e8d9f0a1b2c3d4e5f"])]


@router.get("/v1/jobs", response_model=JobList, summary="List jobs", responses=problems(422, 503))
def index(
    parts: Parts,
    caller: Reader,
    status: Annotated[list[JobStatus] | None, Query(description="Repeat for several.")] = None,
    name: Annotated[Text | None, Query(description="The job's exact name.", max_length=200)] = None,
    search: Annotated[
        Text | None,
        Query(
            description="A part of the name, in capitals or not; of a job without one, of its first file's.",
            max_length=200,
        ),
    ] = None,
    created_after: Annotated[datetime | None, Query()] = None,
    created_before: Annotated[datetime | None, Query()] = None,
    kind: Annotated[Literal["job", "predict"], Query()] = "job",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Cursor = None,
) -> Response:
    """List jobs, newest first."""
    wanted = JobFilter(
        kind=kind,
        statuses=[str(s) for s in status or ()],
        name=name,
        search=search,
        created_after=_aware(created_after),
        created_before=_aware(created_before),
        before=parse_cursor(cursor) if cursor is not None else None,
    )
    jobs = list_jobs(parts.db, caller.tenant, wanted, limit + 1)
    page = jobs[:limit]
    following = cursor_text(page[-1].id) if len(jobs) > limit else None
    return Json({"items": [job_document(job, parts.catalogue) for job in page], "next_cursor": following})


def _aware(at: datetime | None) -> datetime | None:
    """Read a time without a zone as UTC."""
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


@router.get(
    "/v1/jobs/{job_id}",
    response_model=Job,
    summary="Get a job",
    responses={304: {"description": "Not changed."}, **problems(404, 422, 503)},
)
async def show(
    job_id: JobId,
    parts: Parts,
    caller: Reader,
    wait: Annotated[
        float,
        Query(ge=0, allow_inf_nan=False, description="Wait up to so many seconds (at most 60) for the end."),
    ] = 0,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Show a job as it is now, or with `wait` as soon as it has ended."""
    key = parse_job_id(job_id)
    job = await run_in_threadpool(get_job, parts.db, caller.tenant, key)
    if wait and not job.terminal:
        with parts.waiters.waiting(key) as waiter:
            await waiter.end(min(wait, MOST_WAIT_S))
        job = await run_in_threadpool(get_job, parts.db, caller.tenant, key)
    headers = job_headers(job)
    if if_none_match is not None and _matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return job_answer(job, parts.catalogue)


def _matches(header: str, tag: str) -> bool:
    """Compare entity tags weakly (RFC 9110, 8.8.3.2)."""
    opaque = tag.removeprefix("W/")
    return header.strip() == "*" or opaque in (part.strip().removeprefix("W/") for part in header.split(","))


@router.post(
    "/v1/jobs/{job_id}/cancel",
    status_code=202,
    response_model=Job,
    summary="Cancel a job",
    responses={200: {"model": Job, "description": "Had ended already; unchanged."}, **problems(404, 503)},
)
def cancel(job_id: JobId, parts: Parts, caller: Submitter) -> Response:
    """Stop a job; items that are done are kept."""
    key = parse_job_id(job_id)
    job = get_job(parts.db, caller.tenant, key)
    if job.terminal:
        return job_answer(job, parts.catalogue, 200)
    request_stop(parts.db, key, StopReason.CANCEL)
    finish_stop(
        parts.db,
        parts.blobs,
        key,
        results_ttl_s=parts.settings.results_ttl_s,
        budget_items=STOPPED_AT_ONCE,
    )
    parts.tickets.hint(key)
    return job_answer(get_job(parts.db, caller.tenant, key), parts.catalogue, 202)


@router.post(
    "/v1/jobs/{job_id}/retry",
    status_code=202,
    response_model=Job,
    summary="Retry what did not succeed",
    responses=problems(404, 409, 410, 422, 503),
)
async def retry(
    job_id: JobId,
    parts: Parts,
    caller: Submitter,
    once: Once = None,
) -> Response:
    """Make a new job of the failed, canceled and expired items."""
    key = parse_job_id(job_id)
    work = partial(retry_job, parts.db, parts.blobs, parts.settings, caller.tenant, key, once, parts.quotas)
    made = await anyio.to_thread.run_sync(work, limiter=parts.retrying)
    structlog.contextvars.bind_contextvars(job=made.job_id)
    log.info("job_replayed" if made.replayed else "job_submitted", parent=job_id_text(key))
    if not made.replayed:
        parts.tickets.send(made.lane, made.chunks)
    job = await run_in_threadpool(get_job, parts.db, caller.tenant, made.job_id)
    headers = {"Location": f"/v1/jobs/{job_id_text(made.job_id)}", "Retry-After": "1"}
    if made.replayed:
        headers["Idempotency-Replayed"] = "true"
    return job_answer(job, parts.catalogue, 202, headers)


@router.delete(
    "/v1/jobs/{job_id}",
    status_code=204,
    response_class=Response,
    summary="Delete a job",
    responses=problems(404, 409, 503),
)
def delete(job_id: JobId, parts: Parts, caller: Submitter) -> Response:
    """Delete an ended job with its results, and its inputs unless a retry needs them."""
    delete_job(parts.db, caller.tenant, parse_job_id(job_id))
    return Response(status_code=204)


@router.get(
    "/v1/jobs/{job_id}/summary",
    response_model=JobSummary,
    summary="Sum a job up",
    responses=problems(404, 410, 503),
)
def summary(job_id: JobId, parts: Parts, caller: Reader) -> Response:
    """Count by prediction, decision, reason and error; confidences; throughput."""
    key = parse_job_id(job_id)
    job = get_job(parts.db, caller.tenant, key)
    return Json(summary_document(job, _summary(parts, job), parts.catalogue))


def _summary(parts: Services, job: JobView) -> Summary:
    """Sum a job up; what an ended one comes to is kept for whoever asks next."""
    name = ("summary", job.id, job.version)
    kept = parts.kept.get(name) if job.terminal else None
    if kept is not None:
        check_results(parts.db, job.id)
        known: Summary = orjson.loads(kept)
        return known
    found = summarize(parts.db, job.id)
    if job.terminal:
        parts.kept.put(name, orjson.dumps(found))
    return found
