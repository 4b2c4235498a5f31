"""The pages for people: Jinja templates, our own files, and nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from api.assets import STATIC, asset
from api.caller import Caller

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script';"
    " trusted-types 'none'"
)
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
SCOPES = ("read", "submit", "review", "admin")
WORDS: dict[str, Any] = json.loads((STATIC / "js" / "words.json").read_text())
"""How statuses, reasons and errors are told to people; the scripts read the same file."""


def _thousands(number: int) -> str:
    return f"{number:,}"


def _day(text: str) -> str:
    """Write a time of a document as people read it; scripts put it into their own time zone."""
    return f"{datetime.fromisoformat(text):%d %b %Y, %H:%M} UTC"


def _label(job: Mapping[str, Any]) -> str:
    """Return what a job is called: its name, else its first file; the scripts say the same (bars.js)."""
    files = job.get("inputs") or [{"name": ""}]
    return str(job["name"] or files[0]["name"] or "Without a name")


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"thousands": _thousands, "day": _day, "label": _label}
    made.globals |= {"asset": asset, "words": WORDS}
    return made


_TEMPLATES = _environment()


def html(template: str, caller: Caller | None = None, /, **values: Any) -> str:
    """Write a page.

    Args:
        template: file name under `templates`.
        caller: who looks at it; None for somebody unknown, who is offered nothing that needs a right.
        values: what the template shows besides.
    """
    known = caller or Caller()
    around = {
        "may": [scope for scope in SCOPES if known.may(scope)],
        "csrf": known.signed_in.csrf if known.signed_in is not None else None,
        "here": "",
    }
    return _TEMPLATES.get_template(template).render(around | values)


def page(
    template: str,
    caller: Caller | None = None,
    /,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Answer with a page under the policy of pages: no inline script or style, nothing from other origins."""
    # with no referrer at all a browser would hide the origin of our own forms as well
    fixed = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
    return HTMLResponse(html(template, caller, **values), status, {**fixed, **(headers or {})})


def known_caller(request: Request) -> Caller | None:
    """Return who asks, if the gate has let somebody known in."""
    caller = request.scope.get("state", {}).get("caller")
    return caller if isinstance(caller, Caller) else None
