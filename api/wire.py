"""What is answered on the wire before any endpoint is asked: one problem document a reason."""

from __future__ import annotations

import uuid
from email.utils import formatdate
from enum import Enum
from http import HTTPStatus

import orjson

from api.headers import ALWAYS, NOTHING
from api.problems import MEDIA_TYPE, document
from shared.errors import BadRequest, InkqueueError, RequestTimeout, Unavailable


class Refusal(Enum):
    """Why a connection is closed: the status and the words."""

    NO_HTTP = (400, "This is no valid HTTP request.")
    HOST = (400, "A request needs exactly one Host header (RFC 9112, 3.2).")
    FRAMING = (400, "The body's chunks carry far more framing than content.")
    TOO_MANY_PIPELINED = (400, "Too many requests were sent ahead of their answers.")
    HEAD_LATE = (408, "The head of the request did not arrive in time.")
    URL_TOO_LONG = (414, "The address of the request is too long.")
    HEAD_TOO_LARGE = (431, "The head of the request is too large or has too many lines.")
    TOO_MANY_CONNECTIONS = (503, "Too many connections are open. Please try again shortly.")

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return self.value[0]

    def error(self) -> InkqueueError:
        """Return the error whose code the answer has."""
        status, detail = self.value
        kinds: dict[int, type[InkqueueError]] = {408: RequestTimeout, 503: Unavailable}
        return kinds.get(status, BadRequest)(detail)

    def answer(self) -> bytes:
        """Return the whole answer; the connection ends with it."""
        error, phrase, request_id = self.error(), HTTPStatus(self.status).phrase, uuid.uuid4().hex
        problem = document(error, "", request_id) | {"status": self.status}
        body = orjson.dumps(problem)
        headers = {
            "date": formatdate(usegmt=True),
            "content-type": MEDIA_TYPE,
            "content-length": str(len(body)),
            "x-request-id": request_id,
            "cache-control": "no-store",
            "content-security-policy": NOTHING,
            "connection": "close",
            **{name.lower(): value for name, value in ALWAYS.items()},
            **({"retry-after": str(error.retry_after_s)} if error.retryable else {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} {phrase}\r\n{head}\r\n".encode("ascii") + body
