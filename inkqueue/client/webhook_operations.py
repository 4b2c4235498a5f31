"""The calls of webhooks as generators, like `inkqueue.client.operations`."""

from __future__ import annotations

from urllib.parse import quote

from inkqueue.client.answers import typed
from inkqueue.client.bodies import JsonBody
from inkqueue.client.operations import listing_of, object_of
from inkqueue.client.options import DeliveryFilters, pairs
from inkqueue.client.retries import RetryPolicy, patiently
from inkqueue.client.wire import Call, Emit, Operation, Query, Request
from inkqueue.decoding import decode
from inkqueue.models import WebhookDelivery, WebhookSecret

PATH = "/v1/webhooks"
PAGE = 100
MOST_WAIT_S = 60


def secret(policy: RetryPolicy) -> Call[WebhookSecret]:
    """Read the secret that signs."""
    return typed(WebhookSecret, (yield from patiently(Request("GET", f"{PATH}/secret"), policy)))


def rotate(policy: RetryPolicy) -> Call[WebhookSecret]:
    """Make a new secret; not repeated once it may have arrived, since each rotation ends an older secret."""
    request = Request("POST", f"{PATH}/secret/rotate", repeatable=False)
    return typed(WebhookSecret, (yield from patiently(request, policy)))


def send_test(policy: RetryPolicy, url: str, wait_s: int) -> Call[WebhookDelivery]:
    """Have a test sent, waiting up to `wait_s` (at most 60) until it was tried."""
    request = Request(
        "POST",
        f"{PATH}/test",
        headers={"Prefer": f"wait={min(wait_s, MOST_WAIT_S)}"} if wait_s else {},
        body=JsonBody({"url": url}),
        read_timeout_s=wait_s + 20.0,
        repeatable=False,
    )
    return typed(WebhookDelivery, (yield from patiently(request, policy)))


def deliveries(
    policy: RetryPolicy, filters: DeliveryFilters, limit: int | None
) -> Operation[WebhookDelivery, None]:
    """Emit deliveries, newest first, page after page, `limit` of them or all."""
    left, cursor = limit, None
    while left is None or left > 0:
        query: Query = (*pairs(filters), ("limit", str(PAGE if left is None else min(left, PAGE))))
        if cursor:
            query += (("cursor", str(cursor)),)
        reply = yield from patiently(Request("GET", f"{PATH}/deliveries", query=query), policy)
        page = object_of(reply.json())
        found = listing_of(page)[:left]
        for one in found:
            yield Emit(decode(WebhookDelivery, one))
        left = None if left is None else left - len(found)
        cursor = page.get("next_cursor")
        if not cursor:
            return


def delivery(policy: RetryPolicy, delivery_id: str) -> Call[WebhookDelivery]:
    """Read one delivery."""
    return typed(WebhookDelivery, (yield from patiently(Request("GET", _path(delivery_id)), policy)))


def redeliver(policy: RetryPolicy, delivery_id: str) -> Call[WebhookDelivery]:
    """Have a delivery sent again; harmless when repeated."""
    request = Request("POST", f"{_path(delivery_id)}/redeliver")
    return typed(WebhookDelivery, (yield from patiently(request, policy)))


def _path(delivery_id: str) -> str:
    return f"{PATH}/deliveries/{quote(delivery_id, safe='')}"
