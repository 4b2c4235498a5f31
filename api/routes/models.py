"""Models, workers and templates: what the service can do and who does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from api.answers import Json
from api.auth import Admin, Reader
from api.openapi import problems
from api.schemas import Model, ModelList, TemplateList, WorkerList
from api.services import Parts, Services
from api.strict import StrictRoute
from api.system import worker_document
from shared.catalogue import Catalogue
from shared.errors import InkqueueError, InvalidRequest, NotFound, UnknownModel
from shared.jobs.workers import WorkerView, live_workers, serves
from shared.packages import ModelPackage

router = APIRouter(tags=["models and workers"], route_class=StrictRoute)

Name = Annotated[str, Path(max_length=200)]
_LATER = "Templates come with a later version of this service."


@router.get("/v1/models", response_model=ModelList, summary="List models")
def models(parts: Parts, caller: Reader) -> Response:
    """List the installed model packages with their cards, and directories among them that hold none."""
    packages = parts.catalogue.packages().values()
    broken = [{"package": name, "reason": reason} for name, reason in parts.catalogue.broken().items()]
    living = living_workers(parts)
    return Json(
        {"items": [model_document(one, parts.catalogue, living) for one in packages], "broken": broken}
    )


@router.get("/v1/models/{name}", response_model=Model, summary="Get a model", responses=problems(404))
def model(name: Name, parts: Parts, caller: Reader) -> Response:
    """Return the card of a model, `name` or `name@version`."""
    try:
        package = parts.catalogue.resolve(name)
    except UnknownModel as error:
        raise NotFound("There is no model of this name.") from error
    return Json(model_document(package, parts.catalogue, living_workers(parts)))


def living_workers(parts: Services) -> list[WorkerView] | None:
    """Return the workers that are alive; None when nobody can be asked."""
    try:
        return parts.probes.live()
    except InkqueueError:
        return None


def model_document(
    package: ModelPackage, catalogue: Catalogue, living: Sequence[WorkerView] | None
) -> dict[str, Any]:
    """Return a card as clients see it, and how many workers have it loaded."""
    default = catalogue.find(*_split(catalogue.default))
    return {
        **package.card,
        "sha256": package.sha256,
        "default": default is not None and default.ref == package.ref,
        "workers": None if living is None else sum(serves(worker, package.ref) for worker in living),
    }


def _split(ref: str) -> tuple[str, str | None]:
    name, _, version = ref.partition("@")
    return name, version or None


@router.get("/v1/workers", response_model=WorkerList, summary="List workers", responses=problems(503))
def workers(parts: Parts, caller: Reader) -> Response:
    """List the processes that are alive: lane, device, models, images a second."""
    return Json(
        {"items": [worker_document(w) for w in live_workers(parts.db, gone_s=parts.settings.worker_gone_s)]}
    )


@router.get("/v1/templates", response_model=TemplateList, summary="List templates")
def templates(caller: Reader) -> Response:
    """List the templates of forms; there are none yet."""
    return Json({"items": [], "next_cursor": None})


@router.get("/v1/templates/{name}", summary="Get a template", responses=problems(404))
def template(name: Name, caller: Reader) -> Response:
    """Return a template."""
    raise NotFound("There is no template of this name.")


@router.delete("/v1/templates/{name}", summary="Delete a template", responses=problems(404))
def delete_template(name: Name, caller: Admin) -> Response:
    """Delete a template."""
    raise NotFound("There is no template of this name.")


@router.post("/v1/templates", summary="Add a template (later)", responses=problems(422))
def add_template(caller: Admin) -> Response:
    """Say clearly that this is not there yet."""
    raise InvalidRequest(_LATER, errors=[{"loc": "path", "msg": _LATER}])


@router.put("/v1/templates/{name}", summary="Change a template (later)", responses=problems(422))
@router.post("/v1/templates/{name}/preview", summary="Try a template (later)", responses=problems(422))
def change_template(name: Name, caller: Admin) -> Response:
    """Say clearly that this is not there yet."""
    raise InvalidRequest(_LATER, errors=[{"loc": "path", "msg": _LATER}])
