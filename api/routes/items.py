"""One item, and the image that it was read from."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from api.answers import Json
from api.auth import Reader
from api.openapi import problems
from api.originals import is_page, open_original
from api.render import item_document
from api.routes.jobs import JobId
from api.schemas import Item
from api.services import Caller, Parts, Services
from api.strict import StrictRoute
from api.views import rendered
from shared.errors import Gone, InvalidRequest, NotFound
from shared.ids import parse_job_id
from shared.jobs.read import get_job
from shared.jobs.results import read_item
from shared.status import ItemStatus

router = APIRouter(tags=["results"], route_class=StrictRoute)

Seq = Annotated[int, Path(ge=0, le=2**31 - 1, description="Number of the item in its job, from 0.")]
_CACHED = "private, max-age=3600, immutable"
_SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
"""What a browser may show in place: pictures that cannot hold a script. Everything else is downloaded."""


@router.get(
    "/v1/jobs/{job_id}/items/{seq}",
    response_model=Item,
    summary="Get an item",
    responses=problems(404, 410, 503),
)
def show(job_id: JobId, seq: Seq, parts: Parts, caller: Reader) -> Response:
    """Return one finished item."""
    return Json(item_document(read_item(parts.db, caller.tenant, parse_job_id(job_id), seq)))


@router.get(
    "/v1/jobs/{job_id}/items/{seq}/image",
    response_class=StreamingResponse,
    summary="Get the image of an item",
    responses={
        200: {
            "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
            "description": "The bytes.",
        },
        **problems(404, 410, 422, 503),
    },
)
async def image(
    job_id: JobId,
    seq: Seq,
    parts: Parts,
    caller: Reader,
    view: Annotated[
        Literal["original", "model"], Query(description="The upload, or what the model saw.")
    ] = "original",
    field: Annotated[str | None, Query(description="Field of a form.", max_length=200)] = None,
) -> Response:
    """Return the bytes as they were uploaded, a member of a zip without its zip, a page of a document as a PNG.

    `view=model` is a PNG of exactly what the model saw.
    """
    key = parse_job_id(job_id)
    drawn = await run_in_threadpool(_drawn, parts, caller, key, seq, view, field)
    if drawn is not None:
        picture = await rendered(parts.blobs, parts.redis, key, seq, drawn)
        return Response(picture, media_type="image/png", headers={"Cache-Control": _CACHED})
    return await run_in_threadpool(_original, parts, key, seq)


def _drawn(parts: Services, caller: Caller, key: UUID, seq: int, view: str, field: str | None) -> str | None:
    """Return which picture a worker is to draw; None when the upload's own bytes are wanted.

    Raises:
        NotFound: the job is not the caller's, or the item was not read.
        Gone: its inputs have expired.
    """
    if get_job(parts.db, caller.tenant, key).gone:
        raise Gone()
    if field is not None:
        msg = f"`field={field}` comes with a later version of this service"
        raise InvalidRequest(msg + ".", errors=[{"loc": "query.field", "msg": msg}])
    if view != "model" and not is_page(parts.db, parts.blobs, key, seq):
        return None
    if read_item(parts.db, caller.tenant, key, seq).status != ItemStatus.SUCCEEDED:
        raise NotFound("This item was not read, so there is no picture of it.")
    return "model" if view == "model" else "page"


def _original(parts: Services, key: UUID, seq: int) -> Response:
    """Return the upload's bytes; what a browser could run is downloaded."""
    original = open_original(parts.db, parts.blobs, parts.settings, key, seq)
    how = "inline" if original.media_type in _SHOWN else "attachment"
    headers = {
        "Content-Length": str(original.size),
        "Content-Disposition": f"{how}; filename*=UTF-8''{quote(original.name.split('/')[-1], safe='')}",
        "Cache-Control": _CACHED,
    }
    return StreamingResponse(original.blocks, media_type=original.media_type, headers=headers)
