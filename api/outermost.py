"""The outermost layer of every request: its id, the headers that every answer has, and the last resort."""

from __future__ import annotations

import re
import time
import uuid

import orjson
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import MEDIA_TYPE, document
from shared.errors import Internal
from shared.logs import get_logger

log = get_logger(__name__)

_SANE_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")


class Outermost:
    """Pure ASGI, so that it adds no task and no buffering to streams."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD" and not scope["path"].endswith("/events"):
            # the server sees the HEAD in its own scope and leaves the body out
            scope = {**scope, "method": "GET"}
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request_id)
        started = time.monotonic()
        status = 0

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self.app(scope, receive, noting_send)
        except Exception:
            log.exception("request_crashed", method=scope["method"], path=scope["path"])
            if status == 0:
                status = 500
                await _last_resort(scope["path"], request_id, noting_send)
        finally:
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round((time.monotonic() - started) * 1000, 1),
            )


def _request_id(headers: Headers) -> str:
    """Keep a client's own id when it is sane, else make one."""
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


async def _last_resort(path: str, request_id: str, send: Send) -> None:
    """Answer a defect with a problem document that tells nothing about the inside."""
    body = orjson.dumps(document(Internal(), path, request_id))
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
