"""Routes that refuse what they would otherwise overlook: unknown or repeated query parameters, doubtful JSON."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, get_args, get_origin
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.json_text import load_json
from shared.errors import FieldError, InkqueueError, InvalidRequest, UnsupportedMediaType

_SHOWN = 100


class Refused(HTTPException):
    """Carries one of our errors through the framework's reading of a body."""

    def __init__(self, error: InkqueueError) -> None:
        super().__init__(400)
        self.error = error


class StrictRoute(APIRoute):
    """Checks the names of all query parameters; reads JSON bodies strictly. Who asks was settled by the gate."""

    refuses_unknown = True

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        more["dependencies"] = [*(more.get("dependencies") or ()), Depends(_known)]
        super().__init__(path, endpoint, **more)
        self.takes = dict(_query_names(self.dependant)) | dict(_described(self.openapi_extra or {}))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the framework's handler, but for the way a body is read."""
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            if self.body_field is not None:
                request = _JsonRequest(request.scope, request.receive)
            return await handle(request)

        return strictly


class PageRoute(StrictRoute):
    """Shows a page to people, whose links carry parameters of others (`utm_source`): it overlooks those."""

    refuses_unknown = False


class _JsonRequest(Request):
    """Reads a body that is to be JSON, and nothing else."""

    async def body(self) -> bytes:
        """Return the body once its type is known to be JSON; an empty one is told apart later."""
        data = await super().body()
        kind = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if data and kind != "application/json":
            raise Refused(UnsupportedMediaType("This call takes a body of Content-Type application/json."))
        return data

    async def json(self) -> Any:
        """Parse the body."""
        try:
            return load_json(await self.body())
        except InkqueueError as error:
            raise Refused(error) from error


def _query_names(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Yield each query parameter of an endpoint and its dependencies, and whether it may be repeated."""
    for field in dependant.query_params:
        yield field.alias, _is_list(field.field_info.annotation)
    for inner in dependant.dependencies:
        yield from _query_names(inner)


def _described(extra: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the query parameters that the endpoint reads itself, as its description says."""
    for about in extra.get("parameters", ()):
        if about["in"] == "query":
            yield about["name"], about.get("schema", {}).get("type") == "array"


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(_is_list(part) for part in get_args(annotation))


async def _known(request: Request) -> None:
    """Refuse query parameters that the endpoint does not have, and repeated ones that take one value.

    Pages overlook those that they do not have.

    Raises:
        InvalidRequest: `errors` names them all.
    """
    if not request.scope["query_string"]:
        return
    check_text(request)
    route: StrictRoute = request.scope["route"]
    takes = route.takes
    names = [name for name, _ in request.query_params.multi_items()]
    unknown = [name for name in dict.fromkeys(names) if name not in takes and route.refuses_unknown]
    wrong = [_wrong(name, "is no parameter of this call") for name in unknown]
    wrong += [
        _wrong(name, "is given more than once")
        for name in dict.fromkeys(names)
        if names.count(name) > 1 and takes.get(name) is False
    ]
    if wrong:
        raise InvalidRequest(errors=wrong)


def check_text(request: Request) -> None:
    """Refuse a query that is not UTF-8, which would be read with replacement characters otherwise.

    Raises:
        InvalidRequest: it is not.
    """
    try:
        unquote_to_bytes(request.scope["query_string"]).decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(errors=[{"loc": "query", "msg": "is not UTF-8"}]) from error


def _wrong(name: str, msg: str) -> FieldError:
    return {"loc": f"query.{name[:_SHOWN]}", "msg": msg}
