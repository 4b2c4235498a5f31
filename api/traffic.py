"""What a process of the API counts: requests by route and status, and how long they took."""

from __future__ import annotations

import re
import threading

from starlette.types import Scope

from shared.samples import Samples, label_value

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_WISH = re.compile(rb"(?:^|&)wait=[1-9]")


class Traffic(Samples):
    """Requests of one process; labels come from our own routes, so strangers cannot make more of them."""

    def __init__(self) -> None:
        super().__init__()
        self._flight = threading.Lock()
        self._in_flight = 0

    def begin(self) -> None:
        """Count a request in."""
        with self._flight:
            self._in_flight += 1

    def end(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request out.

        Args:
            scope: the request's, after it was routed.
            status: of the answer; 0 when the client went away before one.
            seconds: from the head of the request to the end of the answer.
        """
        with self._flight:
            self._in_flight -= 1
        route, method = route_of(scope), scope["method"] if scope["method"] in METHODS else "other"
        labels = f'method="{method}",route="{label_value(route)}"'
        self.add(f'inkqueue_http_requests_total{{{labels},status="{status}"}}')
        if not waits_by_wish(scope, route):
            self.observe("inkqueue_http_request_seconds", f'route="{label_value(route)}"', seconds)

    def gauges(self) -> dict[str, float]:
        """Return how many requests are under way."""
        with self._flight:
            return {"inkqueue_http_requests_in_flight": float(self._in_flight)}


def route_of(scope: Scope) -> str:
    """Return the pattern of the route that took a request, `none` when no route did."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    if isinstance(path, str):
        return path
    return "/static" if scope["path"].startswith("/static/") else "none"


def waits_by_wish(scope: Scope, route: str) -> bool:
    """Tell whether the caller asked for an answer that comes late: its time says nothing of the service."""
    if route.endswith("/events") or _WISH.search(scope.get("query_string", b"")):
        return True
    return any(name == b"prefer" and b"wait=" in value for name, value in scope["headers"])
