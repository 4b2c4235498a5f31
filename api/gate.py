"""The gate that every request passes before a route sees it: who asks, under which name, from which page.

What is not declared public here is closed, whether a route remembers to ask or not. A long answer, a long poll and a
long upload are judged again on the way, so that a key that is revoked meanwhile does not reach to their end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from hmac import compare_digest
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.credentials import PLAIN_COOKIE, SECURE_COOKIE, cookie_of, has_key, key_of
from api.origins import SAFE_METHODS, from_this_machine
from api.problems import answer
from api.services import Caller, Services
from shared.errors import Forbidden, InkqueueError, NotFound, Unauthorized, Unavailable
from shared.keys.sessions import is_session_id
from shared.logs import get_logger

log = get_logger(__name__)

PROBES = frozenset({"/healthz", "/readyz", "/health"})
"""Asked by machines that know nothing but the address; they say whether the service works."""
PUBLIC = PROBES | {"/docs", "/openapi.json", "/sign-in"}
PUBLIC_FOLDERS = ("/static/", "/docs/")
LOCAL = frozenset({"/metrics", "/readyz"})
"""What needs no key on this machine itself."""
FORMS = frozenset({"/jobs", "/jobs/samples", "/sign-out"})
"""Routes that compare the token of a form's field themselves."""
AGAIN_S = 4.0
LONGEST_NEXT = 1000
"""Characters of an address that a sign-in leads back to."""
_PAGE = re.compile(r"/|/jobs(?:/[^/]*(?:/[a-z]+)?)?|/(?:try|models|system|tour)(?:/[^/]*)?|/sign-out")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OPERATOR = Caller(scopes=frozenset({"read"}))

Judge = Callable[[], Awaitable[Caller | None]]


class Gate:
    """Pure ASGI, so that it adds no task and no buffering to streams."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        parts: Services = scope["app"].state.services
        watch = Watch(lambda: judged(scope, parts), receive, send)
        try:
            scope.setdefault("state", {})["caller"] = await judged(scope, parts)
            _check_path(scope)
        except InkqueueError as error:
            await _refusal(scope, error)(scope, receive, send)
            return
        try:
            await self.app(scope, watch.receive, watch.send)
        except Exception:
            if not watch.ended:
                raise
            log.info("request_cut_off", path=scope["path"], why="the key or session has ended")


def _check_path(scope: Scope) -> None:
    """Let every address have one spelling: the router takes `/v1/jobs%0A` for `/v1/jobs`, and limits know it not.

    Raises:
        NotFound: the path holds a control character, as none of ours does.
    """
    if _CONTROL.search(scope["path"]):
        raise NotFound()


class Watch:
    """Judges a request again every few seconds while it goes on."""

    def __init__(self, judge: Judge, receive: Receive, send: Send) -> None:
        self._judge = judge
        self._receive = receive
        self._send = send
        self._judged_at = time.monotonic()
        self.ended = False

    async def receive(self) -> Message:
        """Take the next part of the body, if the caller may still send it."""
        message = await self._receive()
        if message["type"] == "http.request":
            await self._again()
        return message

    async def send(self, message: Message) -> None:
        """Send the next part of the answer, if the caller may still see it."""
        await self._again()
        if message["type"] == "http.response.start":
            _keep_apart(MutableHeaders(scope=message))
        await self._send(message)

    async def _again(self) -> None:
        if self.ended or time.monotonic() - self._judged_at < AGAIN_S:
            return
        self._judged_at = time.monotonic()
        try:
            await self._judge()
        except Unavailable:
            return  # what comes now was asked for while the key was right; the next look decides
        except InkqueueError:
            self.ended = True
            raise


def _keep_apart(headers: MutableHeaders) -> None:
    """Let a cache give what it keeps to nobody but the one who asked."""
    if headers.get("cache-control", "").startswith("private"):
        headers.add_vary_header("Authorization, X-API-Key, Cookie")


async def judged(scope: Scope, parts: Services) -> Caller | None:
    """Return who asks; None for nobody where that is enough.

    Raises:
        Unauthorized: a key or session is needed, or the one that was given is not valid.
        Forbidden: the service is open and asked under a strange name or by a strange page, or a token is missing.
        Unavailable: the database cannot say.
    """
    path = scope["path"]
    local = path in LOCAL and parts.settings.loopback_metrics and from_this_machine(scope)
    if path in PROBES and not (path in LOCAL and has_key(scope)):
        return _OPERATOR if local else await _maybe_open(scope, parts)
    public = path in PUBLIC or path.startswith(PUBLIC_FOLDERS)
    try:
        is_open = await parts.keyring.is_open()
    except Unavailable:
        if public and path != "/sign-in":
            return None
        if local and not has_key(scope):
            return _OPERATOR  # metrics tell of the outage, too
        raise
    if is_open:
        parts.origins.check_host(scope)
        parts.origins.check_origin(scope)
        return Caller(scopes=frozenset({"admin"}), open=True)
    if path == "/sign-in":
        parts.origins.check_origin(scope)  # nobody is to be signed in by another site, whatever cookie he has
    key = key_of(scope)
    if key is not None:
        return await parts.keyring.caller_of_key(key, stale=path in PROBES | LOCAL)
    try:
        return await _signed_in(scope, parts)
    except (Unauthorized, Unavailable):
        if not (public or local):
            raise
    return _OPERATOR if local else None


async def _maybe_open(scope: Scope, parts: Services) -> Caller | None:
    """Show everything to callers of an open service who ask under a name of ours; never fail."""
    if scope["path"] not in LOCAL or not parts.origins.known_host(scope):
        return None
    try:
        return _OPERATOR if await parts.keyring.is_open() else None
    except Unavailable:
        return None


async def _signed_in(scope: Scope, parts: Services) -> Caller:
    """Return the person who signed in; what changes something comes from our own page and proves it by a token."""
    session = session_of(scope, parts)
    if session is None:
        raise Unauthorized()
    caller = await parts.keyring.caller_of_session(session)
    if scope["method"] in SAFE_METHODS or scope["path"] == "/sign-in" or caller.signed_in is None:
        return caller
    parts.origins.check_origin(scope)
    token = [value for name, value in scope["headers"] if name == b"x-csrf-token"]
    proved = len(token) == 1 and compare_digest(token[0], caller.signed_in.csrf.encode())
    if not proved and (token or scope["path"] not in FORMS):
        raise Forbidden("The page's token is missing or out of date. Load the page again.")
    return replace(caller, signed_in=replace(caller.signed_in, proved=proved))


def session_of(scope: Scope, parts: Services) -> str | None:
    """Return the session's id as the cookie carries it, if it can be one."""
    value = cookie_of(scope, SECURE_COOKIE if is_secure(scope, parts) else PLAIN_COOKIE)
    return value if value is not None and is_session_id(value) else None


def is_secure(scope: Scope, parts: Services) -> bool:
    """Tell whether people come by https: as this connection or a trusted proxy says, or the public address."""
    if scope["scheme"] == "https":
        return True
    return parts.origins.public_scheme == "https" and not from_this_machine(scope)


def _refusal(scope: Scope, error: InkqueueError) -> Response:
    """Lead a person to the sign-in, tell everybody else by a problem document."""
    wants_page = _PAGE.fullmatch(scope["path"]) and not has_key(scope)
    if isinstance(error, Unauthorized) and wants_page:
        return RedirectResponse(f"/sign-in?next={quote(_wanted(scope), safe='/')}", 303)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else {}
    return answer(Request(scope), error, headers)


def _wanted(scope: Scope) -> str:
    """Return the address to come back to, with its query: filters and places are part of what was wanted."""
    if scope["method"] != "GET":
        return "/"
    query = scope["query_string"].decode("latin-1")
    whole = f"{scope['path']}?{query}" if query else str(scope["path"])
    return whole if len(whole) <= LONGEST_NEXT else str(scope["path"])[:LONGEST_NEXT]
