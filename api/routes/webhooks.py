"""Webhooks: the secret and its rotation, a test, the log of deliveries, redelivery."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.answers import Json
from api.auth import Admin, Reader, Submitter
from api.openapi import problems
from api.openapi_headers import headers
from api.options import preferred_wait
from api.problems import request_id_of
from api.routes.jobs import Cursor
from api.routes.submit import sound_traceparent
from api.services import Parts, Services
from api.strict import StrictRoute
from api.webhook_schemas import (
    Delivery,
    DeliveryList,
    DeliveryStatus,
    TestWanted,
    WebhookSecret,
    delivery_document,
    secret_document,
)
from shared.errors import InvalidRequest, NotFound
from shared.ids import (
    JOB_ID_PATTERN,
    cursor_text,
    delivery_id_text,
    parse_cursor,
    parse_delivery_id,
    parse_job_id,
)
from shared.outbound import check_url
from shared.webhooks.log import (
    DeliveryFilter,
    DeliveryView,
    get_delivery,
    insert_test,
    list_deliveries,
    redeliver,
)
from shared.webhooks.secrets import current_secret, rotate_secret

router = APIRouter(tags=["webhooks"], route_class=StrictRoute)

LOOK_S = 0.1
DeliveryId = Annotated[str, Path(description="`whd_…`", examples=["whd_0198f6c2a1b47c3e8d9f0a1b2c3d4e5f"])]


@router.get(
    "/v1/webhooks/secret",
    response_model=WebhookSecret,
    summary="Get the signing secret",
    responses=problems(503),
)
def secret(parts: Parts, caller: Admin) -> Response:
    """Show the secret that signs this tenant's webhooks; the first call makes it."""
    return _private(secret_document(current_secret(parts.db, caller.tenant)))


@router.post(
    "/v1/webhooks/secret/rotate",
    response_model=WebhookSecret,
    summary="Rotate the signing secret",
    responses=problems(503),
)
def rotate(parts: Parts, caller: Admin) -> Response:
    """Make a new secret; the one before it signs beside it for 24 hours (a setting), an older one no more."""
    made = rotate_secret(parts.db, caller.tenant, parts.settings.webhook_overlap_s)
    return _private(secret_document(made))


def _private(document: dict[str, object]) -> Json:
    """Answer with what no cache may keep."""
    return Json(document, headers={"Cache-Control": "no-store"})


@router.post(
    "/v1/webhooks/test",
    status_code=202,
    response_model=Delivery,
    summary="Send a test",
    responses={
        200: {
            "model": Delivery,
            "description": "Tried already (`Prefer: wait`).",
            "headers": headers("Location", "Preference-Applied"),
        },
        202: {"headers": headers("Location", "Preference-Applied")},
        **problems(422, 503),
    },
)
async def ping(
    wanted: TestWanted,
    request: Request,
    parts: Parts,
    caller: Submitter,
    prefer: Annotated[
        str | None, Header(description="`wait=N`: answer when it was tried, or after N seconds.")
    ] = None,
    traceparent: Annotated[str | None, Header(description="W3C trace context, carried along.")] = None,
) -> Response:
    """Send a signed `webhook.test` to an address, once, the way all webhooks go."""
    checked = await run_in_threadpool(check_url, _sound(wanted.url), parts.outbound)
    made = await run_in_threadpool(
        insert_test,
        parts.db,
        caller.tenant,
        checked.url,
        request_id_of(request),
        sound_traceparent(traceparent),
    )
    wait_s = preferred_wait(prefer)
    delivery = await _tried(parts, caller.tenant, made, wait_s or 0)
    more = {"Location": f"/v1/webhooks/deliveries/{delivery_id_text(made)}"}
    if wait_s is not None:
        more["Preference-Applied"] = f"wait={wait_s}"
    return Json(delivery_document(delivery), 200 if delivery.attempt_count else 202, more)


def _sound(url: str) -> str:
    """Return a text that Postgres can keep.

    Raises:
        InvalidRequest: it is none.
    """
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in url):
        raise InvalidRequest(errors=[{"loc": "body.url", "msg": "holds a character that cannot be stored"}])
    return url


async def _tried(parts: Services, tenant: str, delivery_id: UUID, wait_s: float) -> DeliveryView:
    """Return a delivery when it was tried, or after so many seconds; holds no connection while it waits."""
    until = time.monotonic() + wait_s
    while True:
        delivery = await run_in_threadpool(get_delivery, parts.db, tenant, delivery_id)
        left = until - time.monotonic()
        if delivery.attempt_count or left <= 0:
            return delivery
        await asyncio.sleep(min(LOOK_S, left))


@router.get(
    "/v1/webhooks/deliveries",
    response_model=DeliveryList,
    summary="List deliveries",
    responses=problems(422, 503),
)
def index(
    parts: Parts,
    caller: Reader,
    job_id: Annotated[
        str | None,
        Query(description="Only those of this job.", json_schema_extra={"pattern": JOB_ID_PATTERN}),
    ] = None,
    status: Annotated[DeliveryStatus | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> Response:
    """List deliveries with every try, newest first; they stay for 30 days (a setting) or until the job is gone."""
    wanted = DeliveryFilter(
        job_id=None if job_id is None else _job_of(job_id),
        state=status,
        before=parse_cursor(cursor) if cursor is not None else None,
    )
    found = list_deliveries(parts.db, caller.tenant, wanted, limit + 1)
    page = found[:limit]
    following = cursor_text(page[-1].id) if len(found) > limit else None
    return Json({"items": [delivery_document(one) for one in page], "next_cursor": following})


def _job_of(text: str) -> UUID:
    """Read the job's id of a filter.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        return parse_job_id(text)
    except NotFound as error:
        raise InvalidRequest(errors=[{"loc": "query.job_id", "msg": "is no id of a job"}]) from error


@router.get(
    "/v1/webhooks/deliveries/{delivery_id}",
    response_model=Delivery,
    summary="Get a delivery",
    responses=problems(404, 503),
)
def show(delivery_id: DeliveryId, parts: Parts, caller: Reader) -> Response:
    """Show a delivery with every try."""
    return Json(delivery_document(get_delivery(parts.db, caller.tenant, parse_delivery_id(delivery_id))))


@router.post(
    "/v1/webhooks/deliveries/{delivery_id}/redeliver",
    status_code=202,
    response_model=Delivery,
    summary="Send a delivery again",
    responses=problems(404, 409, 503),
)
def again(delivery_id: DeliveryId, parts: Parts, caller: Submitter) -> Response:
    """Send the same message with the same id now, whatever became of it; the whole schedule is before it again."""
    return Json(delivery_document(redeliver(parts.db, caller.tenant, parse_delivery_id(delivery_id))), 202)
