"""How replies become problems and typed results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar

from inkqueue.client.wire import Reply
from inkqueue.decoding import decode
from inkqueue.exceptions import Problem, UnexpectedAnswer

T = TypeVar("T")


def typed(cls: type[T], reply: Reply) -> T:
    """Make a typed result of an answer.

    Raises:
        UnexpectedAnswer: it is none that an inkqueue service gives.
    """
    if not reply.ok:
        target = reply.headers.get("location", "another place")
        raise UnexpectedAnswer(f"The service answered with status {reply.status}, pointing to {target}.")
    return decode(cls, reply.json())


def problem_of(reply: Reply) -> Problem:
    """Read a refusal, also one that a proxy made and that is no problem+json."""
    document = _document(reply)
    errors = document.get("errors")
    return Problem(
        status=reply.status,
        code=str(document.get("code") or f"http_{reply.status}"),
        title=str(document.get("title") or _phrase(reply.status)),
        detail=str(document.get("detail") or f"The service answered {reply.status} {_phrase(reply.status)}."),
        errors=tuple(_field_errors(errors)) if isinstance(errors, list) else (),
        request_id=_text(document.get("request_id")) or reply.headers.get("x-request-id"),
        retryable=bool(document.get("retryable", reply.status in {429, 502, 503, 504})),
        retry_after=retry_after_s(reply),
        job_id=_text(document.get("job_id")),
        raw=document,
    )


def retry_after_s(reply: Reply) -> float | None:
    """Read `Retry-After` (RFC 9110 section 10.2.3), in seconds or as a date."""
    text = reply.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _document(reply: Reply) -> Mapping[str, object]:
    try:
        document = json.loads(reply.content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _field_errors(errors: list[object]) -> list[Mapping[str, str]]:
    return [{str(k): str(v) for k, v in error.items()} for error in errors if isinstance(error, dict)]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "an unknown status"
