"""Health and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from api.answers import Json
from api.auth import Operator
from api.metrics import exposition
from api.openapi import problems
from api.problems import MEDIA_TYPE, document, request_id_of
from api.schemas import Alive, Health, Ready
from api.services import Caller, Parts
from api.strict import StrictRoute
from shared.errors import InkqueueError, Unavailable
from shared.jobs.workers import serves

router = APIRouter(tags=["health"], route_class=StrictRoute)


@router.get("/healthz", response_model=Alive, summary="Does the process live?")
async def healthz() -> Response:
    """Answer while the process lives."""
    return Json({"status": "ok"})


@router.get(
    "/readyz",
    response_model=Ready,
    summary="Can work be done?",
    responses=problems(401, 403)  # only of a key that is shown and not valid, or under a strange name
    | {
        503: {
            "description": "Not now; a problem document with `checks`.",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    },
)
async def readyz(request: Request, parts: Parts) -> Response:
    """Measure database, broker, storage, workers and model; 503 when one of them fails.

    What fails is told to callers with a key of scope `read`, and on the service's own machine.
    """
    checks = await parts.probes.measure()
    caller: Caller | None = request.scope["state"]["caller"]
    told = {"checks": checks} if caller is not None and caller.may("read") else {}
    failing = [f"{name} {what}" for name, what in checks.items() if what != "ok"]
    if not failing:
        return Json({"status": "ok", **told})
    error = Unavailable("Not ready: " + "; ".join(failing) + "." if told else "Not ready.")
    body = document(error, request.url.path, request_id_of(request)) | told
    return Json(body, 503, {"Retry-After": "1"}, MEDIA_TYPE)


@router.get("/health", response_model=Health, summary="Is a model loaded?", responses=problems(503))
def health(parts: Parts) -> Response:
    """Tell from the heartbeats whether a worker has the default model loaded."""
    try:
        loaded = any(serves(worker, parts.catalogue.default) for worker in parts.probes.live())
    except InkqueueError:
        loaded = False
    return Json({"status": "ok", "model_loaded": loaded})


@router.get(
    "/metrics", response_class=PlainTextResponse, summary="Prometheus metrics", responses=problems(503)
)
async def metrics(parts: Parts, caller: Operator) -> Response:
    """Return metrics of the whole service as Prometheus text, version 0.0.4.

    They tell of all tenants: a key of the tenant `default`, or the service's own machine. While the database is away
    only `inkqueue_part_ok` and what this process measures itself is given.
    """
    text = await run_in_threadpool(exposition, parts, await parts.probes.measure())
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
