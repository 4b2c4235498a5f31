"""Pages of models and of the system, and the code for one job."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from api import cards, pages
from api.addressed import address_of
from api.auth import Reader
from api.routes.models import living_workers, model_document
from api.services import Parts
from api.snippets import KEY_LINE, snippets
from api.strict import PageRoute
from api.system import system_document
from shared.documents import job_document
from shared.errors import NotFound, UnknownModel
from shared.ids import parse_job_id
from shared.jobs.read import get_job

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/models")
def models(parts: Parts, caller: Reader) -> Response:
    """List the models, the usual one first."""
    living = living_workers(parts)
    described = [
        (model_document(one, parts.catalogue, living), one) for one in parts.catalogue.packages().values()
    ]
    described.sort(key=lambda pair: not pair[0]["default"])
    shown = [
        {"card": card, "ref": one.ref, "figure": cards.headline(cards.figures(one.card))}
        for card, one in described
    ]
    broken = parts.catalogue.broken()
    return pages.page("models.html", caller, here="/models", models=shown, broken=broken)


@router.get("/models/{name}")
def model(name: Annotated[str, Path(max_length=200)], parts: Parts, caller: Reader) -> Response:
    """Show the card of a model, `name` or `name@version`.

    Raises:
        NotFound: there is none of this name.
    """
    try:
        package = parts.catalogue.resolve(name)
    except UnknownModel as error:
        raise NotFound("There is no model of this name.") from error
    card, found = package.card, cards.figures(package.card)
    compared = cards.accuracies(found)
    choices = cards.settings(card)
    start, ticks = cards.axis_of(compared)
    return pages.page(
        "model.html",
        caller,
        here="/models",
        card=model_document(package, parts.catalogue, living_workers(parts)),
        ref=package.ref,
        facts=list(cards.facts(card)),
        figures=[one for one in found if one not in compared],
        accuracies=compared,
        start=start,
        ticks=ticks,
        place=cards.place,
        settings=choices,
        usual=next((one for one in choices if one.default), None),
        lines=cards.coverage(card),
        target_ticks=cards.target_ticks(card),
    )


@router.get("/system")
async def system(parts: Parts, caller: Reader) -> Response:
    """Show who works and what waits; the page asks for news by itself."""
    return pages.page("system.html", caller, here="/system", now=await system_document(parts, caller))


@router.get("/jobs/{job_id}/code")
def code(job_id: str, request: Request, parts: Parts, caller: Reader) -> Response:
    """Show how programs read this very job."""
    job = job_document(get_job(parts.db, caller.tenant, parse_job_id(job_id)), parts.catalogue)
    shown = snippets(job, address_of(request, parts.settings), keyed=not caller.open)
    return pages.page(
        "job_code.html",
        caller,
        here="/jobs",
        tab="/code",
        job=job,
        snippets=shown,
        keyed=not caller.open,
        key_line=KEY_LINE,
    )
