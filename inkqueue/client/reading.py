"""Reading a job's results: items page by page, or the whole job as a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inkqueue.client.operations import job_path
from inkqueue.client.options import ResultFilters, pairs
from inkqueue.client.retries import RetryPolicy, patient_stream, patiently
from inkqueue.client.wire import Call, Emit, Operation, Query, Request, TransportFailure, close, read, sleep
from inkqueue.decoding import Shape, decode
from inkqueue.exceptions import ServiceUnreachable
from inkqueue.models import Item

PAGE = 1000
SOON_S = 0.1
LATER_S = 2.0

Format = Literal["csv", "ndjson", "xlsx"]
EXPORT_SILENCE_S = 120.0


@dataclass(frozen=True, kw_only=True)
class ResultsPage(Shape):
    """A page of results; `next_after_seq` is null exactly when `complete`."""

    items: tuple[Item, ...]
    complete: bool
    next_after_seq: int | None = None


def page_of_items(
    policy: RetryPolicy, job_id: str, filters: ResultFilters, after_seq: int | None, limit: int = PAGE
) -> Call[ResultsPage]:
    """Read one page of results, after `after_seq` or from the beginning."""
    query: Query = (*pairs(filters), ("limit", str(limit)))
    if after_seq is not None:
        query += (("after_seq", str(after_seq)),)
    headers = {"Accept": "application/json"}
    reply = yield from patiently(
        Request("GET", job_path(job_id, "results"), query=query, headers=headers), policy
    )
    return decode(ResultsPage, reply.json())


def items(
    policy: RetryPolicy, job_id: str, filters: ResultFilters, after_seq: int | None, *, follow: bool
) -> Operation[Item, None]:
    """Emit items in order; of a running job wait for the next ones, or stop at the first unfinished."""
    wait_s = SOON_S
    while True:
        page = yield from page_of_items(policy, job_id, filters, after_seq)
        for item in page.items:
            yield Emit(item)
        if page.complete or page.next_after_seq is None:
            return
        if page.next_after_seq != after_seq:
            after_seq, wait_s = page.next_after_seq, SOON_S
        elif follow:
            yield from sleep(wait_s)
            wait_s = min(wait_s * 2, LATER_S)
        else:
            return


def export(policy: RetryPolicy, job_id: str, form: Format, filters: ResultFilters) -> Operation[bytes, None]:
    """Emit the whole job as a file, in pieces; after a break goes on where it stopped.

    The service gives the same bytes however often it is asked, so what has been emitted is read over.
    """
    request = Request(
        "GET",
        job_path(job_id, "results"),
        query=(*pairs(filters), ("format", form)),
        headers={"Accept-Encoding": "identity"},
        read_timeout_s=EXPORT_SILENCE_S,
    )
    emitted, tries = 0, 0
    while True:
        before = emitted
        try:
            yield from patient_stream(request, policy)
            position = 0
            while piece := (yield from read()):
                fresh = piece[max(0, emitted - position) :]
                position += len(piece)
                if fresh:
                    yield Emit(fresh)
                    emitted += len(fresh)
            return
        except TransportFailure as failure:
            tries = 1 if emitted > before else tries + 1
            wait_s = policy.wait_s(tries, 0.0, None)
            if wait_s is None:
                raise ServiceUnreachable(failure.reason) from failure
        yield from close()
        yield from sleep(wait_s)
