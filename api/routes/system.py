"""`GET /v1/system`: whether work can be done, by whom, and how long it waits."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.answers import Json
from api.auth import Reader
from api.services import Parts
from api.strict import StrictRoute
from api.system import system_document
from api.system_schemas import System

router = APIRouter(tags=["models and workers"], route_class=StrictRoute)


@router.get("/v1/system", response_model=System, summary="See who works and what waits")
async def system(parts: Parts, caller: Reader) -> Response:
    """Tell of every part whether it works, of every worker what it does, of every lane what waits and how long.

    Callers of the tenant `default` see the work of all tenants (`of` is `everybody`), others their own. While the
    database is away `lanes` and `workers` are null.
    """
    return Json(await system_document(parts, caller))
