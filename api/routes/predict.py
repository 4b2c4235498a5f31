"""`POST /v1/predict`: one image now, through the interactive lane."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated, Any

import redis
import structlog
from fastapi import APIRouter, Header, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.answers import Json
from api.auth import Submitter
from api.openapi import problems
from api.openapi_bodies import ONE_IMAGE
from api.options import Options
from api.problems import request_id_of
from api.routes.submit import sound_traceparent, stashing
from api.schemas import Prediction
from api.services import Caller, Parts, Services
from api.stash import Stash
from api.strict import StrictRoute
from api.submission import Circumstances
from shared.errors import ITEM_ERRORS, InvalidRequest, ModelError, NotFound, QueueFull, TimedOut, Unavailable
from shared.ids import job_id_text
from shared.jobs.predict import PredictView, read_prediction
from shared.jobs.stop import finish_stop, request_stop
from shared.jobs.submit import Submitted
from shared.logs import trace_id
from shared.status import ItemStatus, Lane, StopReason

router = APIRouter(tags=["predict"], route_class=StrictRoute)


@router.post(
    "/v1/predict",
    response_model=Prediction,
    summary="Read one image now",
    openapi_extra=ONE_IMAGE,
    responses=problems(400, 408, 413, 415, 422, 429, 503, 504, 507),
)
async def predict(
    request: Request,
    parts: Parts,
    caller: Submitter,
    traceparent: Annotated[str | None, Header()] = None,
) -> Response:
    """Read exactly one image and answer with what it is."""
    if parts.tickets.broken:
        raise Unavailable("The queue cannot be reached at the moment.")
    if await parts.backlog.full(caller.tenant):
        raise QueueFull()
    since = time.monotonic()
    how = Circumstances(
        tenant=caller.tenant,
        kind="predict",
        traceparent=sound_traceparent(traceparent),
        request_id=request_id_of(request),
    )
    async with stashing(parts, caller.tenant, request) as stash:
        taken = await parts.intake.take(request, stash)
        made = await run_in_threadpool(partial(_begin, parts, stash, taken.options, how))
    structlog.contextvars.bind_contextvars(job=made.job_id, trace_id=trace_id(how.traceparent))
    found = await _wait(parts, caller, made, since)
    return Json(_answer(parts, found))


def _begin(parts: Services, stash: Stash, options: Options, how: Circumstances) -> Submitted:
    """Insert the job and send its ticket; without a ticket nobody would come in time, so it is taken back."""
    way = (
        parts.submissions if stash.ids else parts.quick
    )  # stored files need a transaction of several statements
    made = way.submit_one(stash, options, how)
    try:
        parts.tickets.send_now(Lane.INTERACTIVE)
    except redis.RedisError as error:
        request_stop(parts.db, made.job_id, StopReason.CANCEL)
        finish_stop(
            parts.db, parts.blobs, made.job_id, results_ttl_s=parts.settings.results_ttl_s, budget_items=1
        )
        raise Unavailable("The queue cannot be reached at the moment.") from error
    return made


async def _wait(parts: Services, caller: Caller, made: Submitted, since: float) -> PredictView:
    """Wait for the answer; a hint makes it quick, the look once a second makes it sure."""
    deadline = since + parts.settings.predict_timeout_s
    with parts.waiters.waiting(made.job_id, since=since, reads_itself=True) as waiter:
        while True:
            await waiter.news(max(0.0, deadline - time.monotonic()))
            found = await run_in_threadpool(read_prediction, parts.quick_db, caller.tenant, made.job_id)
            if found is None:
                raise NotFound("The job was deleted before the image was read.")
            if found.finished:
                return found
            if waiter.missing:
                raise Unavailable("The service is stopping; the image will be read all the same.")
            if time.monotonic() >= deadline:
                raise TimedOut(
                    "The image was not read in time; its job goes on.", job_id=job_id_text(made.job_id)
                )


def _answer(parts: Services, found: PredictView) -> dict[str, Any]:
    """Return the answer of a finished prediction.

    Raises:
        ItemError: the image could not be read.
    """
    if found.total != 1:
        raise InvalidRequest(f"Exactly one image is read here; this document has {found.total} pages.")
    if found.status == ItemStatus.FAILED:
        raise ITEM_ERRORS.get(found.error_code or "", ModelError)(found.error_detail)
    if found.status != ItemStatus.SUCCEEDED:
        raise Unavailable("The job was stopped before the image was read.")
    answer: dict[str, Any] = {"prediction": found.prediction, "confidence": found.confidence}
    if found.alternatives is not None:
        answer["alternatives"] = found.alternatives
    else:
        answer["probabilities"] = found.probabilities
    return answer | {
        "decision": found.decision,
        "reasons": found.reasons or [],
        "model": {
            "name": found.model_name,
            "version": found.model_version,
            "sha256": found.model_sha256,
        },
        "job_id": job_id_text(found.job_id),
    }
