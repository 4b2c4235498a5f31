"""What the OpenAPI page says beyond the endpoints' signatures: problems, headers, keys."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from api.openapi_headers import COMMON, OF_OPERATION, OF_STATUS, ref
from api.openapi_links import add_links, webhooks
from api.problems import MEDIA_TYPE, codes_of
from api.schemas import Problem

DESCRIPTION = """Asynchronous batch inference for handwriting: submit images, zips or documents, poll or listen,
fetch results. Every 4xx and 5xx answer is an RFC 9457 problem document (`application/problem+json`) with a stable
`code`; every answer carries `X-Request-Id`, and a client's own is kept. A query parameter that a call does not know,
or a repeated one that takes one value, is `invalid_request`."""

_WORDS = {
    400: "Cannot be understood.",
    401: "No valid key came with it.",
    403: "The key does not allow this.",
    404: "Not there, or another tenant's.",
    406: "None of the accepted formats can be given.",
    408: "The head or the body stopped arriving.",
    409: "Not in this state.",
    410: "Results and inputs have expired.",
    413: "Too large.",
    414: "The address is too long; the connection ends.",
    415: "No content type that is taken here.",
    422: "Something is wrong with the content; `code` says what.",
    429: "Too much; see `Retry-After`.",
    431: "The head of the request is too large; the connection ends.",
    500: "A defect.",
    503: "A part of the service is down; try again.",
    504: "The answer did not come in time; `job_id` names the job that goes on.",
    507: "No room is left.",
}
_KEYS: list[dict[str, list[str]]] = [{"bearer": []}, {"api_key": []}, {"session": []}]
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer ik_…`"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-inkqueue"},
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the problem answers of an endpoint; `completed` adds those that any call may have."""
    return {status: {"description": _WORDS[status]} for status in statuses}


def completed(document: dict[str, Any], scopes: dict[tuple[str, str], str]) -> dict[str, Any]:
    """Put the problem document in the place of the framework's own errors, and add what any call may answer.

    Args:
        document: what the framework made of the routes.
        scopes: path and lowercase method of each operation that needs a key, and the scope that it needs.
    """
    components = document.setdefault("components", {})
    _schemas(components["schemas"])
    components["headers"] = {name: deepcopy(header) for name, header in COMMON.items()}
    components["securitySchemes"] = deepcopy(SCHEMES)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(
                operation, scopes.get((path, method)), has_body="requestBody" in operation, has_id="{" in path
            )
            _headers(path, method, operation["responses"], limited=(path, method) in scopes)
    add_links(document["paths"])
    document["webhooks"] = webhooks()
    return document


def _schemas(schemas: dict[str, Any]) -> None:
    """Describe the problem document, and for each status which codes it may have."""
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    for status in _WORDS:
        codes = {"status": {"const": status}, "code": {"enum": codes_of(status)}}
        base = {"$ref": "#/components/schemas/Problem"}
        schemas[f"Problem{status}"] = {"allOf": [base, {"type": "object", "properties": codes}]}


def _complete(operation: dict[str, Any], scope: str | None, *, has_body: bool, has_id: bool) -> None:
    """Add to one operation what follows from its kind."""
    responses = operation["responses"]
    if scope is not None:
        operation["security"] = deepcopy(_KEYS)
        operation["description"] = f"{operation.get('description', '')}\n\nScope: `{scope}`.".strip()
    elif "401" in responses:
        # a key is not asked for; one that is shown is looked at
        operation["security"] = [{}, *deepcopy(_KEYS)]
    for status in _everywhere(scope, has_body, has_id):
        responses.setdefault(str(status), {"description": _WORDS[status]})
    for status, response in responses.items():
        if int(status) >= 400:
            _problem(int(status), response)
    operation["responses"] = dict(sorted(responses.items()))


def _headers(path: str, method: str, responses: dict[str, Any], *, limited: bool) -> None:
    """Name the headers of every answer."""
    for status, response in responses.items():
        code = int(status)
        names = ("X-Request-Id", *OF_STATUS.get(code, ()), *OF_OPERATION.get((method, path, code), ()))
        names += ("RateLimit", "RateLimit-Policy") if limited else ()
        response["headers"] = {name: ref(name) for name in names} | response.get("headers", {})


def _everywhere(scope: str | None, has_body: bool, has_id: bool) -> list[int]:
    """Return the statuses that a call may have whatever it does."""
    found = [400, 408, 414, 422, 429, 431, 500, 503]
    found += [401, 403] if scope is not None else []
    found += [404] if has_id else []
    return found + ([413, 415] if has_body else [])


def _problem(status: int, response: dict[str, Any]) -> None:
    codes = ", ".join(f"`{code}`" for code in codes_of(status))
    schema: dict[str, Any] = {"$ref": f"#/components/schemas/Problem{status}"}
    more = response.get("content", {}).get(MEDIA_TYPE, {}).get("schema")
    if more is not None and more != {"$ref": "#/components/schemas/Problem"}:
        schema = {"allOf": [schema, more]}
    response["content"] = {MEDIA_TYPE: {"schema": schema}}
    response["description"] = f"{response.get('description') or _WORDS[status]} Codes: {codes}."
