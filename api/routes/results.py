"""`GET /v1/jobs/{id}/results`, in four formats."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from functools import partial
from typing import Annotated, assert_never

import anyio
from fastapi import APIRouter, Header, Query
from starlette.responses import Response, StreamingResponse

from api import exports
from api.accept import negotiate
from api.answers import Json
from api.auth import Reader
from api.openapi import problems
from api.options import Text
from api.render import item_document
from api.routes.jobs import JobId
from api.schemas import Results
from api.services import Parts
from api.strict import StrictRoute
from shared.errors import JobActive
from shared.ids import job_id_text, parse_job_id
from shared.jobs.read import get_job
from shared.jobs.results import ItemFilter, ItemView, ResultPage, read_page
from shared.status import Decision, ItemStatus

router = APIRouter(tags=["results"], route_class=StrictRoute)

PAGE = 100
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Format(StrEnum):
    """How results can be had."""

    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    XLSX = "xlsx"


_OFFERED = {
    "application/json": Format.JSON,
    "application/x-ndjson": Format.NDJSON,
    "application/ndjson": Format.NDJSON,
    "application/jsonl": Format.NDJSON,
    "text/csv": Format.CSV,
    XLSX_TYPE: Format.XLSX,
}


@router.get(
    "/v1/jobs/{job_id}/results",
    response_model=Results,
    summary="Get results",
    responses={
        200: {
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}},
                "text/csv": {"schema": {"type": "string"}},
                XLSX_TYPE: {"schema": {"type": "string", "format": "binary"}},
            },
            "description": "A page of results, or with another format all of them.",
        },
        **problems(404, 406, 409, 410, 422, 503),
    },
)
def results(
    job_id: JobId,
    parts: Parts,
    caller: Reader,
    form: Annotated[Format | None, Query(alias="format", description="Goes before `Accept`.")] = None,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
    after_seq: Annotated[int, Query(ge=-1, le=2**31 - 1, description="Only items after this one.")] = -1,
    limit: Annotated[
        int | None, Query(ge=1, le=1000, description="Items of a JSON page; 100 if not given.")
    ] = None,
    status: Annotated[list[ItemStatus] | None, Query(description="Repeat for several.")] = None,
    decision: Annotated[Decision | None, Query()] = None,
    reviewed: Annotated[bool | None, Query()] = None,
    min_confidence: Annotated[float | None, Query(ge=0, le=1)] = None,
    max_confidence: Annotated[float | None, Query(ge=0, le=1)] = None,
    prediction: Annotated[Text | None, Query(max_length=200)] = None,
    not_reviewed_by: Annotated[
        Text | None,
        Query(
            max_length=64,
            description="What this reviewer has not reviewed; others' reviews are left out of the answer.",
        ),
    ] = None,
    disagreed: Annotated[
        bool | None, Query(description="Reviewers disagree and no admin has decided.")
    ] = None,
    seqs: Annotated[
        str | None,
        Query(
            description="Only the items with these numbers, separated by commas, at most 500.",
            examples=["3,17,4"],
            max_length=6000,
            pattern=r"^[0-9]{1,10}(,[0-9]{1,10}){0,499}$",
        ),
    ] = None,
) -> Response:
    """Return results in the order of `seq`, gap-free from 0, also while the job runs.

    A page ends before the first unfinished item. NDJSON and CSV give all that is finished, XLSX only ended jobs.
    """
    key = parse_job_id(job_id)
    wanted = ItemFilter(
        statuses=[str(s) for s in status or ()],
        decision=str(decision) if decision else None,
        reviewed=reviewed,
        min_confidence=min_confidence,
        max_confidence=max_confidence,
        prediction=prediction,
        not_reviewed_by=not_reviewed_by,
        disagreed=disagreed,
        seqs=None if seqs is None else _numbers(seqs),
    )
    chosen = form or negotiate(accept, _OFFERED)

    def read(after: int, most: int) -> ResultPage:
        return read_page(parts.db, caller.tenant, key, after=after, limit=most, wanted=wanted)

    if chosen is Format.JSON:
        return _json(read(after_seq, limit or PAGE))
    if chosen is Format.XLSX and not get_job(parts.db, caller.tenant, key).terminal:
        raise JobActive("A spreadsheet is made when the job has ended. Until then there is NDJSON and CSV.")
    pages = exports.all_items(read, read(after_seq, min(limit or exports.PAGE, exports.PAGE)), limit)
    return _stream(chosen, pages, job_id_text(key), parts.exporting)


def _numbers(text: str) -> list[int]:
    """Return the numbers that an item may have; no item has a greater one."""
    return [number for number in map(int, text.split(",")) if number < 2**31]


def _json(page: ResultPage) -> Response:
    return Json(
        {
            "items": [item_document(item) for item in page.items],
            "next_after_seq": None if page.complete else page.last,
            "complete": page.complete,
        }
    )


def _stream(
    form: Format, pages: Iterator[list[ItemView]], name: str, limiter: anyio.CapacityLimiter
) -> Response:
    """Stream one of the long formats; Starlette pulls the blocks in a thread as the client reads."""
    blocks: Iterator[bytes] | AsyncIterator[bytes]
    match form:
        case Format.NDJSON | Format.JSON:
            blocks, media_type = exports.ndjson(pages), "application/x-ndjson"
        case Format.CSV:
            blocks, media_type = exports.csv_text(pages), "text/csv; charset=utf-8; header=present"
        case Format.XLSX:
            blocks, media_type = exports.xlsx(pages, limiter), XLSX_TYPE
        case _:
            assert_never(form)
    disposition = partial('attachment; filename="{}-results.{}"'.format, name)
    headers = {} if form is Format.NDJSON else {"Content-Disposition": disposition(form)}
    return StreamingResponse(blocks, media_type=media_type, headers=headers)
