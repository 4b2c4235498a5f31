"""The one place that turns errors into answers: RFC 9457 problem documents, the framework's own errors included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api import pages
from api.accept import prefers
from api.methods import allowed
from api.strict import Refused
from shared import errors
from shared.errors import FieldError, InkqueueError, InvalidRequest, ItemError
from shared.logs import get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPES = "/docs/errors"
"""The page that `type` leads to, relative to the service: it works where nothing else can be reached, too."""
STATUS: dict[str, int] = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "request_timeout": 408,
    "job_active": 409,
    "nothing_to_retry": 409,
    "not_reviewable": 409,
    "gone": 410,
    "payload_too_large": 413,
    "too_many_items": 413,
    "unsupported_media_type": 415,
    "invalid_request": 422,
    "corrupt_archive": 422,
    "encrypted_archive": 422,
    "zip_bomb": 422,
    "empty_submission": 422,
    "unknown_model": 422,
    "unknown_template": 422,
    "webhook_url_refused": 422,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "queue_full": 429,
    "internal": 500,
    "unavailable": 503,
    "timeout": 504,
    "storage_full": 507,
}
"""The HTTP status of every code; those of items are 422, in `predict` and where an item's image is asked for."""

_FRAMEWORK: dict[int, type[InkqueueError]] = {
    400: errors.BadRequest,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    406: errors.NotAcceptable,
    408: errors.RequestTimeout,
    413: errors.PayloadTooLarge,
    415: errors.UnsupportedMediaType,
    422: errors.InvalidRequest,
    429: errors.RateLimited,
    503: errors.Unavailable,
}


WIRE = frozenset({414, 431})
"""What the connection answers before there is a request: an address or a head that is too long."""


def codes_of(status: int) -> list[str]:
    """Return the codes that an answer of this status may have, those of items among them."""
    items = sorted(errors.ITEM_ERRORS) if status == 422 else []
    if status in WIRE:
        return ["bad_request"]
    return [code for code, known in STATUS.items() if known == status] + items


def status_of(error: InkqueueError) -> int:
    """Return the HTTP status of an error."""
    return 422 if isinstance(error, ItemError) else STATUS[error.code]


def document(error: InkqueueError, path: str, request_id: str) -> dict[str, Any]:
    """Return the problem document of an error."""
    body: dict[str, Any] = {
        "type": f"{TYPES}#{error.code}",
        "title": error.title,
        "status": status_of(error),
        "detail": error.detail,
        "instance": path,
        "code": error.code,
        "request_id": request_id,
        "retryable": error.retryable,
        "errors": error.errors if isinstance(error, InvalidRequest) else [],
    }
    if isinstance(error, errors.TimedOut) and error.job_id:
        body["job_id"] = error.job_id
    return body


def answer(request: Request, error: InkqueueError, headers: Mapping[str, str] | None = None) -> Response:
    """Make the answer of an error: a problem document, or a page where a browser asks for one."""
    more = dict(headers or {})
    if error.retryable:
        more.setdefault("Retry-After", str(error.retry_after_s))
    if isinstance(error, errors.Unauthorized):
        more.setdefault("WWW-Authenticate", 'Bearer realm="inkqueue"')
    body = document(error, request.url.path, request_id_of(request))
    if wants_page(request):
        return pages.page("problem.html", pages.known_caller(request), body["status"], more, problem=body)
    return Response(orjson.dumps(body), body["status"], more, MEDIA_TYPE)


def wants_page(request: Request) -> bool:
    """Tell whether a person looks at this: a browser, and an address that is not of the API."""
    if request.url.path.startswith("/v1/"):
        return False
    return prefers(request.headers.get("accept"), "text/html", MEDIA_TYPE)


def request_id_of(request: Request) -> str:
    """Return the id that the outermost layer gave to this request."""
    return str(request.scope.get("state", {}).get("request_id", ""))


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, InkqueueError)
    if status_of(error) == 500:
        log.error("request_failed", code=error.code, path=request.url.path, exc_info=error)
    elif status_of(error) > 500:
        log.warning("request_refused", code=error.code, path=request.url.path, why=error.detail)
    return answer(request, error)


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, Refused):
        return answer(request, error.error)
    kind = _FRAMEWORK.get(
        error.status_code, errors.BadRequest if error.status_code < 500 else errors.Internal
    )
    headers = {"Allow": allowed(request)} if error.status_code == 405 else error.headers
    return answer(request, kind(), headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [field_error(e["loc"], e["msg"]) for e in error.errors()]
    if any(loc["loc"].startswith("path.") for loc in fields):
        return answer(request, errors.NotFound())
    return answer(request, InvalidRequest(errors=fields))


async def _gone_away(request: Request, error: Exception) -> Response:
    return answer(request, errors.RequestTimeout())


def field_error(loc: tuple[int | str, ...], msg: str) -> FieldError:
    """Name a wrong field by its path."""
    names = loc[:2] if loc and loc[0] == "query" else loc  # of a repeated parameter no position is told
    return {"loc": ".".join(str(part) for part in names), "msg": msg}


def install(app: FastAPI) -> None:
    """Give every error of this application its problem document; the last resort is in `api.outermost`."""
    app.add_exception_handler(InkqueueError, _known)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _gone_away)
