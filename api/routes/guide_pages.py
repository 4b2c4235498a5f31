"""Pages that explain: the tour, the documents, the reference of the API."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from api import pages
from api.addressed import address_of
from api.auth import Reader
from api.guide import available, guide
from api.problems import TYPES
from api.reference import Reference, reference
from api.services import Parts
from api.strict import PageRoute
from shared.errors import NotFound

router = APIRouter(include_in_schema=False, route_class=PageRoute)
HERE = "http://127.0.0.1:8000"
"""The address that the documents use; a reader gets that of the service he is at."""


@router.get("/tour")
def tour(request: Request, parts: Parts, caller: Reader) -> Response:
    """Lead a newcomer through the service in five minutes."""
    told = guide("tour")
    body = Markup("") if told is None else _here(told.body, address_of(request, parts.settings))
    return pages.page("tour.html", caller, here="/tour", body=body, guides=available())


@router.get("/docs")
def docs(request: Request) -> Response:
    """Show the reference of the API."""
    known = pages.known_caller(request)
    shown = _reference(request.app)
    return pages.page("reference.html", known, here="/tour", reference=shown, guides=available())


@router.get("/docs/console")
def console(request: Request) -> Response:
    """Show the console that sends requests from the browser (Swagger UI)."""
    policy = {"Content-Security-Policy": pages.DOCS_POLICY}
    return pages.page("console.html", pages.known_caller(request), headers=policy, here="/tour")


@router.get(TYPES)
def errors(request: Request) -> Response:
    """Explain every code; `type` of a problem document leads here."""
    return document("errors", request)


@router.get("/docs/{name}")
def document(name: str, request: Request) -> Response:
    """Show a document of the guide.

    Raises:
        NotFound: there is none of this name.
    """
    told = guide(name) if name in available() else None
    if told is None:
        raise NotFound("There is no document of this name.")
    known = pages.known_caller(request)
    return pages.page("guide.html", known, here="/tour", guide=told, name=name, guides=available())


def _here(body: Markup, address: str) -> Markup:
    return body.replace(HERE, Markup.escape(address))


@cache
def _reference(app: Any) -> Reference:
    """Read the application's document once."""
    return reference(app.openapi())
