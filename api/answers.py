"""Answers that several endpoints give: JSON by orjson, and a job with the headers that go with its state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from api.render import etag
from shared.catalogue import Catalogue
from shared.documents import job_document
from shared.jobs.read import JobView

RETRY_S = 1


class Json(Response):
    """JSON, quickly."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Serialise the content."""
        return orjson.dumps(content)


def job_headers(job: JobView) -> dict[str, str]:
    """Return the headers of an answer that shows a job."""
    headers = {"ETag": etag(job)}
    if not job.terminal:
        headers["Retry-After"] = str(RETRY_S)
    return headers


def job_answer(
    job: JobView,
    catalogue: Catalogue,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Json:
    """Answer with a job."""
    document = job_document(job, catalogue) | dict(more or {})
    return Json(document, status, {**job_headers(job), **(headers or {})})
