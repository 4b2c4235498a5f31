"""`/docs/errors`: what every code means and what helps."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from api import pages
from api.errors_page import errors_page
from api.problems import TYPES
from api.strict import StrictRoute

router = APIRouter(include_in_schema=False, route_class=StrictRoute)


@router.get(TYPES)
def errors() -> Response:
    """Show the page."""
    return HTMLResponse(errors_page(), headers={"Content-Security-Policy": pages.POLICY})
