"""Small files to submit, and what to ask of answers."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np

from api.json_body import encode_png

PNG = encode_png(np.arange(28 * 28, dtype=np.uint8).reshape(28, 28))


def zipped(*names: str, data: bytes = PNG) -> bytes:
    """Return a zip with members of these names."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, data)
    return out.getvalue()


def submit_files(api: httpx.Client, files: Sequence[tuple[str, bytes]], **options: Any) -> httpx.Response:
    """Submit files as a browser does."""
    parts = [("files", (name, data, "application/octet-stream")) for name, data in files]
    return api.post("/v1/jobs", files=parts, data=options)


def submitted(api: httpx.Client, *names: str, **options: Any) -> dict[str, Any]:
    """Submit a zip with members of these names; return the job."""
    answer = submit_files(api, [("scans.zip", zipped(*names))], **options)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem document of this code; return it."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), (
        answer.text
    )
    body: dict[str, Any] = answer.json()
    assert {
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "request_id",
        "retryable",
        "errors",
    } <= set(body)
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == answer.headers["x-request-id"]
    return body
