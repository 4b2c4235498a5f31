"""Which scope each operation needs, read from the routes themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from api.auth import Need
from api.services import get_caller


def scopes_of(app: FastAPI) -> dict[tuple[str, str], str]:
    """Return the scope by path and lowercase method; operations that need no key are left out."""
    return {
        (context.path_format or "", method.lower()): scope
        for context in iter_route_contexts(app.routes)
        if getattr(context, "dependant", None) is not None
        for scope in _scopes([context.dependant])
        for method in context.methods or ()
    }


def _scopes(dependants: Iterable[Dependant]) -> Iterator[str]:
    for one in dependants:
        if one.call is get_caller:
            yield "any"
        yield from _scopes(one.dependencies)
        if isinstance(one.call, Need):
            yield one.call.scope  # after that of its own dependency, so that it counts
