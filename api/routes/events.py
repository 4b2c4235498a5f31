"""`GET /v1/jobs/{id}/events`: Server-Sent Events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Header
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from api.auth import Reader
from api.openapi import problems
from api.routes.jobs import JobId
from api.services import Caller, Parts, Services
from api.strict import StrictRoute
from shared.documents import job_document
from shared.errors import InkqueueError
from shared.ids import parse_job_id
from shared.jobs.read import JobView, get_job

router = APIRouter(tags=["jobs"], route_class=StrictRoute)

EVENT = {
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"enum": ["job.started", "job.progress", "job.completed"]},
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "Version of the job."},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Job"},
        },
    },
}
COMMENT_S = 15.0
AT_MOST_EVERY_S = 0.2


@router.get(
    "/v1/jobs/{job_id}/events",
    response_class=StreamingResponse,
    summary="Follow a job",
    responses={
        200: {
            "content": {"text/event-stream": {"schema": EVENT}},
            "description": "Server-Sent Events; the schema is that of one.",
        },
        **problems(404, 503),
    },
)
async def events(
    job_id: JobId,
    parts: Parts,
    caller: Reader,
    last_event_id: Annotated[str | None, Header(description="The version that was seen last.")] = None,
) -> Response:
    """Send `job.started`, `job.progress` and `job.completed` with the job; ends after its end."""
    key = parse_job_id(job_id)
    job = await run_in_threadpool(get_job, parts.db, caller.tenant, key)
    seen = (
        int(last_event_id)
        if last_event_id and last_event_id.isdecimal() and len(last_event_id) < 19
        else None
    )
    return StreamingResponse(
        follow(parts, caller, key, job, seen),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def follow(
    parts: Services, caller: Caller, key: UUID, job: JobView, seen: int | None
) -> AsyncIterator[bytes]:
    """Yield the present state, unless it was seen, then each change until the end; no connection is held."""
    with parts.waiters.waiting(key) as waiter:
        if seen != job.version:
            yield _event(parts, job)
        elif job.terminal:
            return
        while not job.terminal:
            sent_at = time.monotonic()
            change = await waiter.beyond(job.version, COMMENT_S)
            if change is None and waiter.missing:
                return
            if change is None:
                yield b": still here\n\n"
                continue
            await asyncio.sleep(max(0.0, AT_MOST_EVERY_S - (time.monotonic() - sent_at)))
            try:
                job = await run_in_threadpool(get_job, parts.db, caller.tenant, key)
            except InkqueueError:
                return  # the client comes again with Last-Event-ID
            yield _event(parts, job)


def _event(parts: Services, job: JobView) -> bytes:
    """Write one event under the name that fits the job's state."""
    data = orjson.dumps(job_document(job, parts.catalogue))
    return b"event: %s\nid: %d\ndata: %s\n\n" % (event_name(job).encode(), job.version, data)


def event_name(job: JobView) -> str:
    """Return what has happened to a job in this state."""
    if job.terminal:
        return "job.completed"
    return "job.progress" if job.done else "job.started"
