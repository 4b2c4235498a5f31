"""`GET /v1/jobs/{id}/grid`: all finished items in columns of a few bytes."""

from __future__ import annotations

import gzip
import struct
from typing import Annotated
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson
from fastapi import APIRouter, Header
from starlette.responses import Response

from api.auth import Reader
from api.conditional import accepts_gzip, is_known
from api.openapi import problems
from api.openapi_headers import headers
from api.routes.jobs import JobId
from api.services import Parts, Services
from api.strict import StrictRoute
from shared.ids import parse_job_id
from shared.reviews.grid import Grid, GridHead, grid_head, read_grid

router = APIRouter(tags=["results"], route_class=StrictRoute)

MAGIC = b"IKG1"
MOST_IN_A_BYTE = 254
_ABOUT = """The finished items from the first on, little-endian: `IKG1`, the length H of the head (u32), H bytes of JSON
(UTF-8, padded with spaces so that 8 + H is a multiple of 8), then the columns without gaps. The head is
`{"count", "total", "complete", "version", "labels", "columns": [{"name", "type", "offset"}]}`; `offset` counts from the
first byte after the head, `type` is `u1` or `u2`.

| column | type | meaning |
|---|---|---|
| `confidence` | `u2` | times 65,535; 0 where there is none |
| `label` | `u1`, with more than 254 labels `u2` | the prediction as an index into `labels`; 255 (65,535) is none |
| `final` | as `label` | `final_value` likewise |
| `flags` | `u1` | the sum of the following |

`flags` is 0 succeeded, 1 failed, 2 skipped, 3 canceled or 4 expired, plus 8 if the decision is `review`, plus 16 if the
item has a review, plus 32 if reviewers disagree, plus 64 if `final` differs from `label`.
"""


@router.get(
    "/v1/jobs/{job_id}/grid",
    response_class=Response,
    summary="Get all items in columns",
    description="Compact columns for big tables; a running job gives its finished beginning.",
    responses={
        200: {
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            "description": _ABOUT,
            "headers": headers("ETag"),
        },
        304: {"description": "Not changed.", "headers": headers("ETag")},
        **problems(404, 410, 503),
    },
)
def grid(
    job_id: JobId,
    parts: Parts,
    caller: Reader,
    if_none_match: Annotated[str | None, Header()] = None,
    accept_encoding: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Return label, confidence, final value and flags of every finished item."""
    key = parse_job_id(job_id)
    head = grid_head(parts.db, caller.tenant, key)
    more = {
        "ETag": f'W/"{head.version}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Encoding",
    }
    if is_known(if_none_match, more["ETag"]):
        return Response(status_code=304, headers=more)
    is_small = accepts_gzip(accept_encoding)
    if is_small:
        more["Content-Encoding"] = "gzip"
    body = _body(parts, key, head, is_small)
    return Response(body, media_type="application/octet-stream", headers=more)


def _body(parts: Services, key: UUID, head: GridHead, is_small: bool) -> bytes:
    """Return the columns as they travel; those of an ended job are kept for whoever asks next."""
    name = ("grid", key, head.version, is_small)
    body = parts.kept.get(name) if head.is_terminal else None
    if body is not None:
        return body
    package = parts.catalogue.find(head.model_name, head.model_version)
    body = packed(head, read_grid(parts.db, key, head, package.labels if package else None))
    if is_small:
        body = gzip.compress(body, 1, mtime=0)
    if head.is_terminal and head.low == head.total:
        parts.kept.put(name, body)
    return body


def packed(head: GridHead, found: Grid) -> bytes:
    """Lay the columns out behind their description."""
    count = len(found.flags)
    kind = "u1" if len(found.labels) <= MOST_IN_A_BYTE else "u2"
    columns = {
        "confidence": found.confidence.astype("<u2"),
        "label": _indices(found.label, kind),
        "final": _indices(found.final, kind),
        "flags": found.flags,
    }
    described, offset = [], 0
    for name, values in columns.items():
        described.append({"name": name, "type": f"u{values.itemsize}", "offset": offset})
        offset += values.nbytes
    text = orjson.dumps(
        {
            "count": count,
            "total": head.total,
            "complete": head.is_terminal and count >= head.low,
            "version": head.version,
            "labels": found.labels,
            "columns": described,
        }
    )
    text += b" " * (-len(text) % 8)
    return b"".join([MAGIC, struct.pack("<I", len(text)), text, *(v.tobytes() for v in columns.values())])


def _indices(values: npt.NDArray[np.int16], kind: str) -> npt.NDArray[np.unsignedinteger]:
    """Write −1 as the greatest number of the type."""
    return values.astype(f"<{kind}")
