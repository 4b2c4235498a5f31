"""Contact sheets of a job's items."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import numpy as np
from fastapi import APIRouter, Header, Path
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.auth import Reader
from api.conditional import is_known
from api.openapi import problems
from api.routes.jobs import JobId
from api.seqs import Seqs, numbers
from api.services import Parts, Services
from api.sheets import COLUMNS, PER_SHEET, ROWS, sheet_png
from api.strict import StrictRoute
from shared.cells import Cells
from shared.errors import NotFound
from shared.ids import parse_job_id
from shared.reviews.grid import grid_head

router = APIRouter(tags=["results"], route_class=StrictRoute)

_FINAL = "private, max-age=86400, immutable"
_LOOK = (
    "Cells of 28×28, light on dark as the model saw them, 25 in a row, row by row; empty where there is none."
)
_TAG = {"description": "Strong.", "schema": {"type": "string", "pattern": '^".+"$'}}
_DRAWN = {
    200: {
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        "description": f"{_LOOK} With `X-Sheet-Complete: false` some are still to come.",
        "headers": {
            "ETag": _TAG,
            "X-Sheet-Complete": {
                "description": "Whether every cell is what it will ever be.",
                "schema": {"type": "string", "enum": ["true", "false"]},
            },
        },
    },
    304: {"description": "Not changed.", "headers": {"ETag": _TAG}},
    **problems(404, 410, 503),
}
Known = Annotated[str | None, Header(alias="If-None-Match")]


@router.get(
    "/v1/jobs/{job_id}/sheets/{n}",
    response_class=Response,
    summary="Get a contact sheet",
    description="The items 500 × n to 500 × n + 499 in one picture of 700×560 pixels.",
    responses=_DRAWN,
)
async def sheet(
    job_id: JobId,
    n: Annotated[int, Path(ge=0, le=2**22, description="Number of the sheet, from 0.")],
    parts: Parts,
    caller: Reader,
    if_none_match: Known = None,
) -> Response:
    """Show 500 neighbouring items."""
    key = parse_job_id(job_id)
    head = await run_in_threadpool(grid_head, parts.db, caller.tenant, key)
    first, end = n * PER_SHEET, min((n + 1) * PER_SHEET, head.total)
    if first >= head.total:
        raise NotFound("There is no sheet with this number.")
    ready = max(0, min(end, head.low) - first)
    wanted = Wanted(key, range(first, end), head.low, f"{n}-{ready}", ROWS)
    return await _answer(parts, wanted, if_none_match)


@router.get(
    "/v1/jobs/{job_id}/sheets",
    response_class=Response,
    summary="Get a contact sheet of chosen items",
    description="Up to 500 items in the order given, in a picture of 700 pixels' width and as many rows as they fill.",
    responses=_DRAWN,
)
async def chosen(
    job_id: JobId,
    parts: Parts,
    caller: Reader,
    seqs: Seqs,
    if_none_match: Known = None,
) -> Response:
    """Show these items."""
    key = parse_job_id(job_id)
    wanted = numbers(seqs)
    head = await run_in_threadpool(grid_head, parts.db, caller.tenant, key)
    if max(wanted) >= head.total:
        raise NotFound(f"There is no item with the number {max(wanted)}.")
    ready = sum(seq < head.low for seq in wanted)
    named = hashlib.sha256(f"{seqs} {ready}".encode()).hexdigest()[:32]
    sheet = Wanted(key, wanted, head.low, named, -(-len(wanted) // COLUMNS))
    return await _answer(parts, sheet, if_none_match)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sheet: items in the order of their cells, of which those below `low` are finished."""

    job_id: UUID
    seqs: Sequence[int]
    low: int
    name: str
    rows: int

    @property
    def ready(self) -> list[int]:
        """Return the places of the items that are finished."""
        return [n for n, seq in enumerate(self.seqs) if seq < self.low]


async def _answer(parts: Services, wanted: Wanted, if_none_match: str | None) -> Response:
    """Answer with a sheet; one whose items are final never changes and is kept."""
    ready = wanted.ready
    is_final = len(ready) == len(wanted.seqs)
    tag = f'"sheet-{wanted.name}"'
    more = {"ETag": tag, "Cache-Control": _FINAL if is_final else "private, no-cache"}
    if is_known(if_none_match, tag):
        return Response(status_code=304, headers=more)
    place = f"views/{wanted.job_id.hex}/sheet-{wanted.name}.png"
    picture = await parts.sheets.kept(place) if is_final else None
    is_complete = is_final
    if picture is None:
        cells = await parts.sheets.cells(wanted.job_id, [wanted.seqs[n] for n in ready])
        picture = await run_in_threadpool(_laid_out, cells, wanted, ready)
        is_complete = is_final and cells.is_complete
        if is_complete:
            await parts.sheets.keep(place, picture)
        elif not cells.is_complete:
            more = {"Cache-Control": "no-store"}
    more["X-Sheet-Complete"] = str(is_complete).lower()
    return Response(picture, media_type="image/png", headers=more)


def _laid_out(cells: Cells, wanted: Wanted, ready: list[int]) -> bytes:
    """Put the pictures of finished items in their places; the others stay empty."""
    pixels = np.zeros((len(wanted.seqs), *cells.pixels.shape[1:]), np.uint8)
    pixels[ready] = cells.pixels
    return sheet_png(pixels, wanted.rows)
