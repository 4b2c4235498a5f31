"""The methods that an address takes, over all of its routes (RFC 9110, 10.2.1)."""

from __future__ import annotations

from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.routing import Mount

STREAMS = "/events"
"""What ends like this has no HEAD: there would be no end to wait for."""


def allowed(request: Request) -> str:
    """Return the value of `Allow` for the address of a request."""
    found: set[str] = set()
    scope = request.scope
    for context in iter_route_contexts(request.app.routes):
        route = context.route
        if isinstance(route, Mount):
            found |= {"GET"} if scope["path"].startswith(f"{route.path}/") else set()
        elif context.path_regex.match(scope["path"]):
            found |= context.methods or set()
    found.discard("HEAD")
    if "GET" in found and not scope["path"].endswith(STREAMS):
        found.add("HEAD")
    return ", ".join(sorted(found))
