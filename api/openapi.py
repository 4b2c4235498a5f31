"""What the OpenAPI page says beyond the endpoints' signatures."""

from __future__ import annotations

from typing import Any

from api.options import Options
from api.schemas import Problem

DESCRIPTION = """Asynchronous batch inference for handwriting: submit images, zips or documents, poll or listen,
fetch results. Every 4xx and 5xx answer is an RFC 9457 problem document (`application/problem+json`) with a stable
`code`; every answer carries `X-Request-Id`, and a client's own is kept."""

_WORDS = {
    400: "`bad_request`: cannot be understood.",
    404: "`not_found`: not there, or another tenant's.",
    405: "`method_not_allowed`.",
    406: "`not_acceptable`: none of the accepted formats can be given.",
    408: "`request_timeout`: the body stopped arriving.",
    409: "`job_active` or `nothing_to_retry`.",
    410: "`gone`: results and inputs have expired.",
    413: "`payload_too_large` or `too_many_items`.",
    415: "`unsupported_media_type`.",
    422: "`invalid_request` and what else is wrong with the content; `code` says which.",
    429: "`rate_limited` or `queue_full`; see `Retry-After`.",
    503: "`unavailable`: a part of the service is down; try again.",
    504: "`timeout`: the answer did not come in time; `job_id` names the job that goes on.",
    507: "`storage_full`.",
}


_PROBLEM_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Document the problem answers of an endpoint; `with_problems` completes them."""
    return {code: {"description": _WORDS[code], "content": dict(_PROBLEM_CONTENT)} for code in codes}


_OPTIONS = Options.model_json_schema()["properties"]
_FORM = _OPTIONS | {"metadata": {"type": "string", "description": "JSON object as text."}}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_IMAGE = {
    "type": "object",
    "properties": {
        "custom_id": {"type": "string", "description": "Unique in the job; comes back with the result."},
        "name": {"type": "string"},
        "data": {"type": "string", "description": "Data URL or base64 of an image file."},
        "pixels": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 255}},
            "description": "Rows of grey values.",
        },
    },
    "additionalProperties": False,
}
SUBMIT_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    **_FORM,
                },
                "required": ["files"],
            }
        },
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"images": {"type": "array", "items": _IMAGE}, **_OPTIONS},
                "required": ["images"],
            },
            "example": {
                "images": [{"custom_id": "a", "data": "data:image/png;base64,iVBORw0KGgo…"}],
                "name": "Ballots 17",
            },
        },
        **dict.fromkeys(
            (
                "application/zip",
                "image/png",
                "image/jpeg",
                "image/tiff",
                "image/bmp",
                "image/webp",
                "image/gif",
                "application/pdf",
                "application/octet-stream",
            ),
            _BINARY,
        ),
    },
}
"""The bodies of `POST /v1/jobs` and `POST /v1/predict`; for raw ones the options are query parameters."""


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Put the problem document in the place of the framework's own errors, and add what any call may answer."""
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    for path in document["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            for code in [code for code in responses if int(code) >= 400]:
                responses[code]["content"] = dict(_PROBLEM_CONTENT)
                responses[code]["description"] = responses[code].get("description") or _WORDS[int(code)]
            responses["500"] = {"description": "`internal`: a defect.", "content": dict(_PROBLEM_CONTENT)}
    return document
