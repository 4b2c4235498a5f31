"""`POST /v1/jobs`: take a submission in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Annotated, Any

import anyio
import structlog
from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.answers import Json, job_answer
from api.auth import Submitter
from api.idempotency import Once
from api.openapi import problems
from api.openapi_bodies import SUBMISSION
from api.options import preferred_wait
from api.problems import request_id_of
from api.render import item_document
from api.schemas import Job, Rehearsal
from api.services import Caller, Parts, Services
from api.stash import Stash
from api.strict import StrictRoute
from api.submission import Circumstances
from shared.errors import Unavailable
from shared.ids import job_id_text
from shared.jobs.read import JobView, get_job
from shared.jobs.results import read_page
from shared.jobs.submit import Submitted
from shared.logs import get_logger, trace_id

log = get_logger(__name__)
router = APIRouter(tags=["jobs"], route_class=StrictRoute)

MOST_EMBEDDED = 100
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@router.post(
    "/v1/jobs",
    status_code=202,
    response_model=Job,
    summary="Submit a job",
    openapi_extra=SUBMISSION,
    responses={
        200: {"model": Job | Rehearsal, "description": "Already ended (`Prefer: wait`), or a dry run."},
        **problems(429, 507),
    },
)
async def submit(
    request: Request,
    parts: Parts,
    caller: Submitter,
    dry_run: Annotated[bool, Query(description="Check everything, keep nothing.")] = False,
    once: Once = None,
    prefer: Annotated[
        str | None, Header(description="`wait=N`: answer at the end, or after N seconds.")
    ] = None,
    traceparent: Annotated[str | None, Header(description="W3C trace context, carried along.")] = None,
) -> Response:
    """Take in images, zips and documents; answer when upload and job are durable."""
    how = Circumstances(
        tenant=caller.tenant,
        idempotency_key=once,
        traceparent=sound_traceparent(traceparent),
        request_id=request_id_of(request),
    )
    if dry_run:
        return Json(await _rehearse(request, parts, how))
    made = await receive(request, parts, how)
    return await _answer(parts, caller, made, preferred_wait(prefer))


@asynccontextmanager
async def stashing(parts: Services, tenant: str, request: Request) -> AsyncIterator[Stash]:
    """Lend a stash; whatever goes wrong, nothing of it stays behind."""
    announced = int(request.headers.get("content-length") or 0)
    admit = partial(parts.quotas.begin_upload, tenant=tenant, announced=announced)
    stash = Stash(parts.db, parts.blobs, tenant, parts.settings.max_inline_bytes, admit)
    try:
        yield stash
    except BaseException:
        if stash.ids:
            with anyio.CancelScope(shield=True):
                await parts.intake.in_thread(stash.abandon)
        raise


async def receive(
    request: Request,
    parts: Services,
    how: Circumstances,
    check: Callable[[str | None], None] | None = None,
) -> Submitted:
    """Read the body, make the job durable, announce it.

    Args:
        check: raises when the page's token in a form is wrong; None where there is no such field.
    """
    async with stashing(parts, how.tenant, request) as stash:
        taken = await parts.intake.take(request, stash, form=check is not None)
        if check is not None:
            check(taken.csrf)
        made, job = await run_in_threadpool(partial(parts.submissions.submit, stash, taken.options, how))
    structlog.contextvars.bind_contextvars(job=made.job_id, trace_id=trace_id(how.traceparent))
    log.info("job_submitted" if job is not None else "job_replayed", items=job and job.manifest.total)
    if job is not None:
        parts.tickets.send(job.lane, len(job.chunks))
    return made


async def _rehearse(request: Request, parts: Services, how: Circumstances) -> dict[str, Any]:
    """Read the body, tell what it would be, throw it away."""
    async with stashing(parts, how.tenant, request) as stash:
        taken = await parts.intake.take(request, stash)
        found = await parts.intake.in_thread(partial(parts.submissions.rehearse, stash, taken.options))
    if stash.ids:
        await parts.intake.in_thread(stash.abandon)
    return found


async def _answer(parts: Services, caller: Caller, made: Submitted, wait_s: int | None) -> Response:
    """Answer with the job as it is now, or as it is when it ends."""
    if wait_s:
        # the job is made: when too many wait already, that is no reason to answer as if it were not
        with suppress(Unavailable), parts.waiters.waiting(made.job_id) as waiter:
            await waiter.end(wait_s)
    return await run_in_threadpool(_made_answer, parts, caller, made, wait_s)


def _made_answer(parts: Services, caller: Caller, made: Submitted, wait_s: int | None) -> Response:
    job = get_job(parts.db, caller.tenant, made.job_id)
    headers = {"Location": f"/v1/jobs/{job_id_text(job.id)}"}
    if made.replayed:
        headers["Idempotency-Replayed"] = "true"
    if wait_s is not None:
        headers["Preference-Applied"] = f"wait={wait_s}"
    if wait_s is None or not job.terminal:
        return job_answer(job, parts.catalogue, 202, {"Retry-After": "1", **headers})
    return job_answer(job, parts.catalogue, 200, headers, _embedded(parts, caller, job))


def _embedded(parts: Services, caller: Caller, job: JobView) -> dict[str, Any]:
    """Return the results of a small job that has ended."""
    if job.total > MOST_EMBEDDED or job.gone:
        return {}
    page = read_page(parts.db, caller.tenant, job.id, after=-1, limit=MOST_EMBEDDED)
    return {"results": [item_document(item) for item in page.items]}


def sound_traceparent(header: str | None) -> str | None:
    """Return a well-formed trace context; a broken one is no reason to refuse work."""
    return header if header and _TRACEPARENT.fullmatch(header) else None
