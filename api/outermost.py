"""The outermost layer of every request: its id, who sent it, the headers of every answer, and the last resort."""

from __future__ import annotations

import re
import time
import uuid

import orjson
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.addresses import Proxies
from api.bodies import Body, has_body
from api.headers import Cors, secure
from api.limits import RateLimits, put_headers
from api.problems import MEDIA_TYPE, document
from api.traffic import Traffic
from shared.errors import InkqueueError, Internal
from shared.logs import get_logger
from shared.settings import Settings

log = get_logger(__name__)

_SANE_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")


class Outermost:
    """Pure ASGI, so that it adds no task and no buffering to streams."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings
        self._proxies = Proxies(settings.trusted_proxies)
        self._cors = Cors(settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = self._proxies.resolved(scope)
        if scope["method"] == "HEAD" and not scope["path"].endswith("/events"):
            # the server sees the HEAD in its own scope and leaves the body out
            scope = {**scope, "method": "GET"}
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        preflight = self._cors.is_preflight(scope, headers)
        answer = Answer(scope, send, self._settings, self._cors, headers.get("origin"), preflight)
        started = time.monotonic()
        traffic = _traffic(scope)
        if traffic is not None:
            traffic.begin()
        try:
            if preflight:
                await answer.empty(204)
            else:
                if has_body(headers):
                    receive = Body(receive, scope, self._settings, answer.refuse)
                await self.app(scope, receive, answer)
        except Exception as error:
            if not isinstance(error, InkqueueError):
                log.exception("request_crashed", method=scope["method"], path=scope["path"])
            await answer.last_resort(error if isinstance(error, InkqueueError) else Internal())
        finally:
            took_s = time.monotonic() - started
            if traffic is not None:
                traffic.end(scope, answer.status, took_s)
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=answer.status,
                ms=round(took_s * 1000, 1),
            )


class Answer:
    """The `send` of one request: completes the headers, and puts a refusal in the place of an answer."""

    def __init__(
        self, scope: Scope, send: Send, settings: Settings, cors: Cors, origin: str | None, preflight: bool
    ) -> None:
        self.status = 0
        self._scope = scope
        self._send = send
        self._hsts_s = settings.hsts_s
        self._cors = cors
        self._origin = origin
        self._preflight = preflight
        self._refusal: InkqueueError | None = None
        self._replaced = False

    def refuse(self, error: InkqueueError) -> bool:
        """Answer with this error whatever comes; False when the answer has begun."""
        if self.status == 0:
            self._refusal = error
        return self.status == 0

    async def __call__(self, message: Message) -> None:
        """Send one message of the application on."""
        if message["type"] != "http.response.start":
            if not self._replaced:
                await self._send(message)
            return
        refusal = self._refusal or await self._over_quota(message["status"])
        if refusal is not None:
            self._replaced = True
            await self._problem(refusal)
            return
        await self._start(message)

    async def empty(self, status: int) -> None:
        """Answer without a body."""
        await self._start({"type": "http.response.start", "status": status, "headers": []})
        await self._send({"type": "http.response.body", "body": b""})

    async def last_resort(self, error: InkqueueError) -> None:
        """Answer a defect with a problem document that tells nothing about the inside."""
        if self.status == 0 and not self._replaced:
            await self._problem(self._refusal or error)

    async def _problem(self, error: InkqueueError) -> None:
        request_id = self._scope["state"]["request_id"]
        problem = document(error, self._scope["path"], request_id)
        body = orjson.dumps(problem)
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        if error.retryable:
            headers.append((b"retry-after", str(error.retry_after_s).encode()))
        await self._start({"type": "http.response.start", "status": problem["status"], "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def _start(self, message: Message) -> None:
        self.status = message["status"]
        headers = MutableHeaders(scope=message)
        headers["X-Request-Id"] = self._scope["state"]["request_id"]
        secure(headers, self._scope, self._hsts_s)
        self._cors.put_headers(headers, self._scope, self._origin, self._preflight)
        put_headers(self._scope, headers)
        await self._send(message)

    async def _over_quota(self, status: int) -> InkqueueError | None:
        app = self._scope.get("app")
        services = getattr(app.state, "services", None) if app is not None else None
        limits: RateLimits | None = getattr(services, "limits", None)
        return await limits.finish(self._scope, status) if limits is not None else None


def _traffic(scope: Scope) -> Traffic | None:
    """Return what counts the requests of this process; None before it has started."""
    services = getattr(scope["app"].state, "services", None) if "app" in scope else None
    found: Traffic | None = getattr(services, "traffic", None)
    return found


def _request_id(headers: Headers) -> str:
    """Keep a client's own id when it is sane, else make one."""
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
