"""The calls of reviews as generators, like `inkqueue.client.operations`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote

from inkqueue.client.answers import typed
from inkqueue.client.bodies import JsonBody
from inkqueue.client.operations import job_path, listing_of
from inkqueue.client.options import ReviewFilters, pairs
from inkqueue.client.reading import EXPORT_SILENCE_S
from inkqueue.client.retries import RetryPolicy, patient_stream, patiently
from inkqueue.client.wire import Call, Emit, Operation, Request, TransportFailure, read
from inkqueue.decoding import decode
from inkqueue.exceptions import ServiceUnreachable
from inkqueue.models import Item
from inkqueue.review_models import NewReview, NoValue, ReviewSummary

ReviewFormat = Literal["ndjson", "zip"]


def review(
    policy: RetryPolicy, job_id: str, seq: int, value: str | None, reviewer: str, reason: NoValue | None
) -> Call[Item]:
    """Say what an item shows; harmless when repeated."""
    body = JsonBody({"value": value} | ({"reason": reason} if reason is not None else {}))
    request = Request("PUT", _path(job_id, seq, reviewer), body=body)
    return typed(Item, (yield from patiently(request, policy)))


def take_back(policy: RetryPolicy, job_id: str, seq: int, reviewer: str) -> Call[None]:
    """Undo a review; that a repeat finds it gone is no error."""
    request = Request("DELETE", _path(job_id, seq, reviewer), fine_when_repeated=frozenset({404}))
    yield from patiently(request, policy)


def review_many(
    policy: RetryPolicy, job_id: str, reviews: Iterable[NewReview], reviewer: str
) -> Call[list[Item]]:
    """Say what several items show, all or none; harmless when repeated."""
    body = JsonBody({"reviewer": reviewer, "items": [dict(one) for one in reviews]})
    reply = yield from patiently(Request("POST", job_path(job_id, "reviews"), body=body), policy)
    return [decode(Item, one) for one in listing_of(reply.json())]


def take_many_back(policy: RetryPolicy, job_id: str, seqs: Iterable[int], reviewer: str) -> Call[list[Item]]:
    """Undo a reviewer's reviews of several items, all or none; harmless when repeated."""
    wanted = ",".join(map(str, seqs))
    if not wanted:
        return []
    query = (("reviewer", reviewer), ("seqs", wanted))
    reply = yield from patiently(Request("DELETE", job_path(job_id, "reviews"), query=query), policy)
    return [decode(Item, one) for one in listing_of(reply.json())]


def summarize(policy: RetryPolicy, job_id: str) -> Call[ReviewSummary]:
    """Read how far the review of a job has come."""
    return typed(ReviewSummary, (yield from patiently(Request("GET", job_path(job_id, "reviews")), policy)))


def export(policy: RetryPolicy, form: ReviewFormat, filters: ReviewFilters) -> Operation[bytes, None]:
    """Emit reviewed items as a file, in pieces; after a break it has to be begun anew."""
    request = Request(
        "GET",
        "/v1/reviews/export",
        query=(*pairs(filters), ("format", form)),
        headers={"Accept-Encoding": "identity"},
        read_timeout_s=EXPORT_SILENCE_S,
    )
    try:
        yield from patient_stream(request, policy)
        while piece := (yield from read()):
            yield Emit(piece)
    except TransportFailure as failure:
        raise ServiceUnreachable(failure.reason) from failure


def _path(job_id: str, seq: int, reviewer: str) -> str:
    return f"{job_path(job_id, 'items', seq, 'reviews')}/{quote(reviewer, safe='')}"
