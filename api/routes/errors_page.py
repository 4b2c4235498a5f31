"""`/docs/errors`: what every code means and what helps."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import pages
from api.errors_page import errors_body
from api.problems import TYPES
from api.strict import StrictRoute

router = APIRouter(include_in_schema=False, route_class=StrictRoute)


@router.get(TYPES)
def errors(request: Request) -> Response:
    """Show the page."""
    return pages.page("errors.html", pages.known_caller(request), body=errors_body())
