"""Every call of the API as a generator: which requests it makes and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import quote
from uuid import uuid4

from inkqueue.client.answers import problem_of, typed
from inkqueue.client.bodies import Body, CountedBody, MultipartBody, Part, Progress, RawBody
from inkqueue.client.options import AnyOptions, JobFilters, PredictOptions, SubmitOptions, pairs
from inkqueue.client.retries import RetryPolicy, patiently
from inkqueue.client.sources import Source, parts_of
from inkqueue.client.wire import Call, Emit, Operation, Query, Request, TransportFailure, send
from inkqueue.decoding import decode
from inkqueue.exceptions import ApiError, ServiceUnreachable, SourceError, UnexpectedAnswer
from inkqueue.models import DryRun, Health, Item, JobState, ModelCard, Prediction, Summary, Worker

UPLOAD_ANSWER_S = 300.0
PREDICT_ANSWER_S = 45.0
JOBS_PAGE = 100


def submit(
    policy: RetryPolicy,
    sources: Source | Iterable[Source],
    options: SubmitOptions,
    idempotency_key: str | None = None,
    progress: Progress | None = None,
) -> Call[JobState]:
    """Upload files as one job; every try carries the same key, so that a repeat makes no second job."""
    key = idempotency_key or uuid4().hex
    with _opened(sources) as parts:
        request = _upload("/v1/jobs", parts, options, progress, {"Idempotency-Key": key})
        return typed(JobState, (yield from patiently(request, policy)))


def dry_run(policy: RetryPolicy, sources: Source | Iterable[Source], options: SubmitOptions) -> Call[DryRun]:
    """Upload files and learn what a job of them would be; nothing is kept."""
    with _opened(sources) as parts:
        request = _upload("/v1/jobs", parts, options, query=(("dry_run", "true"),))
        return typed(DryRun, (yield from patiently(request, policy)))


def predict(policy: RetryPolicy, image: Source, options: PredictOptions) -> Call[Prediction]:
    """Have one image read; the service's own deadline is not worth a repeat."""
    with _opened(image) as parts:
        if len(parts) != 1:
            raise SourceError(f"`predict` reads exactly one image, not {len(parts)}; submit them as a job.")
        request = _upload(
            "/v1/predict", parts, options, read_timeout_s=PREDICT_ANSWER_S, final=frozenset({504})
        )
        return typed(Prediction, (yield from patiently(request, policy)))


@contextmanager
def _opened(sources: Source | Iterable[Source]) -> Iterator[list[Part]]:
    """Lend the parts of an upload."""
    parts = parts_of(sources)
    try:
        yield parts
    finally:
        for part in parts:
            part.release()


def _upload(
    path: str,
    parts: list[Part],
    options: AnyOptions,
    progress: Progress | None = None,
    headers: dict[str, str] | None = None,
    *,
    query: Query = (),
    read_timeout_s: float = UPLOAD_ANSWER_S,
    final: frozenset[int] = frozenset(),
) -> Request:
    """Send one file as it is, several as a form."""
    body: Body
    if len(parts) == 1:
        body, query = RawBody(parts[0]), query + pairs(options)
    else:
        body = MultipartBody(pairs(options), parts)
    return Request(
        "POST",
        path,
        query=query,
        headers=headers or {},
        body=CountedBody(body, progress) if progress else body,
        read_timeout_s=read_timeout_s,
        final_statuses=final,
    )


def job_path(job_id: str, *rest: str | int) -> str:
    """Return the path of a job or of something below it."""
    return "/".join(["/v1/jobs", quote(job_id, safe=""), *map(str, rest)])


def get_job(policy: RetryPolicy, job_id: str, wait_s: int = 0) -> Call[JobState]:
    """Read a job, waiting up to `wait_s` (at most 60) for its end."""
    query: Query = (("wait", str(wait_s)),) if wait_s else ()
    request = Request("GET", job_path(job_id), query=query, read_timeout_s=wait_s + 20.0)
    return typed(JobState, (yield from patiently(request, policy)))


def cancel_job(policy: RetryPolicy, job_id: str) -> Call[JobState]:
    """Stop a job; items that are done are kept. Harmless when repeated."""
    return typed(JobState, (yield from patiently(Request("POST", job_path(job_id, "cancel")), policy)))


def retry_job(policy: RetryPolicy, job_id: str) -> Call[JobState]:
    """Make a new job of the items that did not succeed; not repeated once it may have arrived."""
    request = Request("POST", job_path(job_id, "retry"), repeatable=False)
    return typed(JobState, (yield from patiently(request, policy)))


def delete_job(policy: RetryPolicy, job_id: str) -> Call[None]:
    """Delete a finished job; that a repeat finds it gone is no error."""
    request = Request("DELETE", job_path(job_id), fine_when_repeated=frozenset({404}))
    yield from patiently(request, policy)


def summarize(policy: RetryPolicy, job_id: str) -> Call[Summary]:
    """Read a job's figures."""
    return typed(Summary, (yield from patiently(Request("GET", job_path(job_id, "summary")), policy)))


def get_item(policy: RetryPolicy, job_id: str, seq: int) -> Call[Item]:
    """Read one item."""
    return typed(Item, (yield from patiently(Request("GET", job_path(job_id, "items", seq)), policy)))


def list_jobs(policy: RetryPolicy, filters: JobFilters, limit: int | None) -> Operation[JobState, None]:
    """Emit jobs, newest first, page after page, `limit` of them or all."""
    left, cursor = limit, None
    while left is None or left > 0:
        query: Query = (*pairs(filters), ("limit", str(JOBS_PAGE if left is None else min(left, JOBS_PAGE))))
        if cursor:
            query += (("cursor", str(cursor)),)
        page = object_of((yield from patiently(Request("GET", "/v1/jobs", query=query), policy)).json())
        jobs = listing_of(page)[:left]
        for job in jobs:
            yield Emit(decode(JobState, job))
        left = None if left is None else left - len(jobs)
        cursor = page.get("next_cursor")
        if not cursor:
            return


def list_models(policy: RetryPolicy) -> Call[list[ModelCard]]:
    """Read which model packages are offered."""
    reply = yield from patiently(Request("GET", "/v1/models"), policy)
    return [decode(ModelCard, one) for one in listing_of(reply.json())]


def get_model(policy: RetryPolicy, name: str) -> Call[ModelCard]:
    """Read one model's card."""
    return typed(
        ModelCard, (yield from patiently(Request("GET", f"/v1/models/{quote(name, safe='@')}"), policy))
    )


def list_workers(policy: RetryPolicy) -> Call[list[Worker]]:
    """Read which workers are alive."""
    reply = yield from patiently(Request("GET", "/v1/workers"), policy)
    return [decode(Worker, one) for one in listing_of(reply.json())]


def health() -> Call[Health]:
    """Ask whether the service is ready; that it is not is an answer too, and never tried again."""
    try:
        reply = yield from send(Request("GET", "/readyz", read_timeout_s=10.0))
    except TransportFailure as failure:
        raise ServiceUnreachable(failure.reason) from failure
    if reply.status == 200:
        return typed(Health, reply)
    problem = problem_of(reply)
    if problem.code != "unavailable":
        raise ApiError.of(problem)
    return decode(Health, {**problem.raw, "status": problem.code})


def object_of(document: object) -> dict[str, object]:
    """Return a JSON object as it is.

    Raises:
        UnexpectedAnswer: it is none.
    """
    if not isinstance(document, dict):
        raise UnexpectedAnswer("The service answered with no JSON object.")
    return document


def listing_of(document: object) -> list[object]:
    """Return the elements of a list, bare or wrapped as `items`."""
    listing = document.get("items") if isinstance(document, dict) else document
    if not isinstance(listing, list):
        raise UnexpectedAnswer("The service's answer lacks the list `items`.")
    return listing
