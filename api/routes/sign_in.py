"""Sign in with a key at the page, and out again."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import pages
from api.auth import Reader, check_form
from api.credentials import PLAIN_COOKIE, SECURE_COOKIE
from api.forms import form_fields
from api.gate import LONGEST_NEXT, is_secure, session_of
from api.origins import host_of, is_loopback
from api.problems import wants_page
from api.services import Parts, Services
from api.strict import PageRoute
from shared.errors import Forbidden, Unauthorized
from shared.keys.sessions import begin_session, new_session_id
from shared.keys.text import parse_key

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_NEXT = re.compile(r"/(?:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*)?(?:\?[A-Za-z0-9_.~%&=+,:-]*)?", re.ASCII)
"""An address of ours, with what narrows it, and nothing that a browser could take for another site's."""


def safe_next(text: str) -> str:
    """Return where to go after the sign-in; what is no plain address of ours is the first page."""
    return text if _NEXT.fullmatch(text) and not text.startswith("/sign-") else "/"


@router.get("/sign-in")
async def form(
    parts: Parts, back: Annotated[str, Query(alias="next", max_length=LONGEST_NEXT)] = "/"
) -> Response:
    """Show the form; an open service has nothing to sign in to."""
    if await parts.keyring.is_open():
        return RedirectResponse("/", 303)
    return _page(safe_next(back))


@router.post("/sign-in")
async def sign_in(request: Request, parts: Parts) -> Response:
    """Begin a session with a new id, whatever cookie came along, and lead to where the person wanted to go."""
    await parts.limits.attempt(request.scope)
    fields = await form_fields(request)
    back = safe_next(fields.get("next", "/"))
    try:
        session = await _begin(request, parts, fields.get("key", "").strip())
    except (Unauthorized, Forbidden) as error:
        if not wants_page(request):
            raise
        return _page(back, error.detail, 401 if isinstance(error, Unauthorized) else 403)
    answer = RedirectResponse(back, 303)
    _put_cookie(answer, request, parts, session, int(parts.settings.session_max_s))
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, parts: Parts, caller: Reader) -> Response:
    """End the session and take the cookie away."""
    check_form(caller, (await form_fields(request)).get("csrf"))
    session = session_of(request.scope, parts)
    if session is not None:
        await parts.keyring.sign_out(session)
    answer = RedirectResponse("/sign-in", 303)
    _put_cookie(answer, request, parts, "", 0)
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


async def _begin(request: Request, parts: Services, text: str) -> str:
    """Check the key and begin its session.

    Raises:
        Unauthorized: the key is not valid.
        Forbidden: it may not read, or would travel where others can listen.
    """
    host = host_of(request.scope)
    at_home = host is not None and is_loopback(host.name)
    if not (at_home or is_secure(request.scope, parts) or parts.origins.public is not None):
        raise Forbidden(
            "A key would travel unprotected here. Set INKQUEUE_PUBLIC_URL to the https address of this service."
        )
    caller = await parts.keyring.caller_of_key(parse_key(text))
    if caller.key_id is None or not caller.may("read"):
        raise Forbidden("This key lacks the scope `read`, without which there is nothing to see.")
    before, session = session_of(request.scope, parts), new_session_id()
    if before is not None:
        await parts.keyring.sign_out(before)
    await run_in_threadpool(begin_session, parts.db, caller.key_id, session, parts.settings.session_max_s)
    return session


def _put_cookie(answer: Response, request: Request, parts: Services, value: str, age_s: int) -> None:
    """Set the session's cookie (RFC 6265bis, 4.1.3), or take it away with an age of 0."""
    secure = is_secure(request.scope, parts)
    name = SECURE_COOKIE if secure else PLAIN_COOKIE
    answer.set_cookie(name, value, max_age=age_s, path="/", secure=secure, httponly=True, samesite="strict")


def _page(back: str, problem: str = "", status: int = 200) -> HTMLResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return pages.page("sign_in.html", None, status, headers, back=back, problem=problem)
