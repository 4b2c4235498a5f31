"""`GET /v1/reviews/export`: what people have settled, as training data."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from api.auth import Reader
from api.corrections import PAGE, crops_of, ndjson, zipped
from api.openapi import problems
from api.options import Text
from api.routes.reviews import NAME_PATTERN
from api.services import Parts
from api.strict import StrictRoute
from shared.ids import JOB_ID_PATTERN, parse_job_id
from shared.jobs.read import get_job
from shared.reviews.export import Wish, settled_pages
from shared.reviews.give import MOST_NAME, reviewer_name

router = APIRouter(tags=["reviews"], route_class=StrictRoute)

LINES = 1000


class Form(StrEnum):
    """How settled items can be had."""

    NDJSON = "ndjson"
    ZIP = "zip"


@router.get(
    "/v1/reviews/export",
    response_class=StreamingResponse,
    summary="Export reviewed items as training data",
    responses={
        200: {
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}},
                "application/zip": {"schema": {"type": "string", "format": "binary"}},
            },
            "description": "One line or picture an item; `labels.csv` in the zip names label and origin of each.",
        },
        **problems(404, 422, 503),
    },
)
async def export(
    parts: Parts,
    caller: Reader,
    form: Annotated[Form, Query(alias="format")] = Form.NDJSON,
    job_id: Annotated[
        str | None,
        Query(description="Only those of this job.", json_schema_extra={"pattern": JOB_ID_PATTERN}),
    ] = None,
    since: Annotated[datetime | None, Query(description="Only items reviewed at this time or later.")] = None,
    reviewer: Annotated[
        Text | None,
        Query(
            max_length=MOST_NAME,
            description="Only items of theirs.",
            json_schema_extra={"pattern": NAME_PATTERN},
        ),
    ] = None,
) -> Response:
    """Give the items whose reviewers agree or that an admin has decided, by job and `seq`.

    As a zip: 28×28 pictures as the model saw them; items of which there is no picture are only in NDJSON.
    """
    key = None if job_id is None else parse_job_id(job_id)
    if key is not None:
        await run_in_threadpool(get_job, parts.db, caller.tenant, key)
    name = None if reviewer is None else reviewer_name(reviewer, "query.reviewer")
    wish = Wish(caller.tenant, key, _aware(since), name)
    if form is Form.NDJSON:
        pages = settled_pages(parts.db, wish, LINES)
        return StreamingResponse(ndjson(pages), media_type="application/x-ndjson", headers=_named(form))
    pages = settled_pages(parts.db, wish, PAGE)
    first = await crops_of(await run_in_threadpool(next, pages, []), parts.sheets)
    return StreamingResponse(
        zipped(pages, first, parts.sheets), media_type="application/zip", headers=_named(form)
    )


def _named(form: Form) -> dict[str, str]:
    """Let a browser keep the file."""
    return {"Content-Disposition": f'attachment; filename="reviews.{form}"'}


def _aware(at: datetime | None) -> datetime | None:
    """Read a time without a zone as UTC."""
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
