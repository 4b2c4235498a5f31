"""Values that no schema can describe: real images and zips, models that are there. Loaded by Schemathesis."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any

import numpy as np
import schemathesis
from hypothesis import strategies as st
from schemathesis import HookContext
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

from api.json_body import encode_png
from benchmarks.contract import RECEIVER


def _png(fill: int) -> bytes:
    grey = np.full((28, 28), 255, np.uint8)
    grey[6:22, 12:16] = fill
    return encode_png(grey)


def _zip(data: bytes, hidden: int) -> bytes:
    """Return a zip of one image, which every call takes, and files that leave no trace."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("0.png", data)
        for i in range(hidden):
            archive.writestr(f"__MACOSX/{i}", b"")
    return out.getvalue()


_PNGS = st.integers(0, 120).map(_png)
_ZIPS = st.builds(_zip, _PNGS, st.integers(0, 2))

schemathesis.openapi.format("model-reference", st.just("digits"))
schemathesis.openapi.format("label", st.sampled_from("0123456789"))
schemathesis.openapi.format("image-data", _PNGS.map(lambda data: base64.b64encode(data).decode()))
schemathesis.openapi.format("uri", st.just(RECEIVER))
schemathesis.openapi.media_type("application/octet-stream", st.one_of(_PNGS, _ZIPS))
schemathesis.openapi.media_type("application/zip", _ZIPS)
for _kind in ("png", "jpeg", "tiff", "bmp", "webp", "gif", "heic", "jp2"):
    # the signature counts, not what the body is said to be
    schemathesis.openapi.media_type(f"image/{_kind}", _PNGS)
schemathesis.openapi.media_type("application/pdf", _PNGS)


@schemathesis.hook
def filter_failure(
    context: HookContext, failure: Failure, case: schemathesis.Case[Any], response: schemathesis.Response
) -> bool:
    """Drop what is no failure.

    Templates are announced and not there yet: adding, changing and trying one answers 422 to everything, as the
    reference says of each of the three. And a key for idempotency that the run has drawn before for other content is
    refused, which is what it is for; no schema can ask for a fresh one.
    """
    if not isinstance(failure, RejectedPositiveData):
        return True
    later = case.operation.path.startswith("/v1/templates") and case.method in {"POST", "PUT"}
    reused = response.status_code == 422 and response.json()["code"] == "idempotency_key_reused"
    return not (later or reused)


@schemathesis.hook
def map_query(context: HookContext, query: Any) -> Any:
    """Name an address wherever events are chosen, and no item twice: no schema can ask for either."""
    if isinstance(query, dict) and "webhook_events" in query:
        query.setdefault("webhook_url", RECEIVER)
    seqs = query.get("seqs") if isinstance(query, dict) else None
    if isinstance(seqs, str):
        query["seqs"] = ",".join(dict.fromkeys(seqs.split(",")))
    return query


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Make rows of equal length, and ids and numbers that stand once; name an address where events are."""
    if isinstance(body, dict) and body.get("webhook_events") is not None and body.get("webhook_url") is None:
        body["webhook_url"] = RECEIVER
    reviews = body.get("items") if isinstance(body, dict) else None
    if isinstance(reviews, list) and all(isinstance(one, dict) and "seq" in one for one in reviews):
        body["items"] = list({str(one["seq"]): one for one in reviews}.values())
    images = body.get("images") if isinstance(body, dict) else None
    seen: set[str] = set()
    for image in images if isinstance(images, list) else ():
        if isinstance(image, dict):
            _square(image)
            name = image.get("custom_id")
            if isinstance(name, str) and name in seen:
                del image["custom_id"]
            seen |= {name} if isinstance(name, str) else set()
    return body


def _square(image: dict[str, Any]) -> None:
    rows = image.get("pixels")
    if isinstance(rows, list) and rows and all(isinstance(row, list) and row for row in rows):
        shortest = min(len(row) for row in rows)
        image["pixels"] = [row[:shortest] for row in rows]
