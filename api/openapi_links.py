"""Where an answer leads on, and the webhooks, for the OpenAPI page."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

_ID = {"job_id": "$response.body#/id"}
_FOLLOWING = {
    "job": ("get", "/v1/jobs/{job_id}", "The job as it is now."),
    "results": ("get", "/v1/jobs/{job_id}/results", "What was read."),
    "summary": ("get", "/v1/jobs/{job_id}/summary", "What the job comes to."),
    "reviews": ("get", "/v1/jobs/{job_id}/reviews", "How far people have come with it."),
    "grid": ("get", "/v1/jobs/{job_id}/grid", "All its items in columns."),
    "events": ("get", "/v1/jobs/{job_id}/events", "Its changes as they happen."),
    "cancel": ("post", "/v1/jobs/{job_id}/cancel", "Stop it."),
    "retry": ("post", "/v1/jobs/{job_id}/retry", "Do again what did not succeed."),
    "delete": ("delete", "/v1/jobs/{job_id}", "Remove it."),
}
_MAKERS = (("/v1/jobs", "post", "202"), ("/v1/jobs/{job_id}/retry", "post", "202"))


def add_links(paths: dict[str, Any]) -> None:
    """Tell for each answer with a new job which calls its id is for."""
    links = {
        name: {"operationId": paths[path][method]["operationId"], "parameters": _ID, "description": about}
        for name, (method, path, about) in _FOLLOWING.items()
    }
    for path, method, status in _MAKERS:
        paths[path][method]["responses"][status]["links"] = deepcopy(links)


def _parameter(name: str, about: str, pattern: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": about,
        "schema": {"type": "string", "pattern": pattern},
    }


_EVENTS = {
    "job.started": "Work on a job has begun.",
    "job.progress": "A job has come further; at most one a second, the newest only.",
    "job.completed": "A job has ended, whatever way: read `data.status`.",
    "job.reviewed": "Every item of a job that needs review has one.",
}
_HEADERS = [
    _parameter(
        "webhook-id", "The same on every try; what a receiver has seen already.", "^whd_[0-9a-f]{32}$"
    ),
    _parameter(
        "webhook-timestamp", "Unix time of this try; refuse what is older than five minutes.", "^[0-9]+$"
    ),
    _parameter(
        "webhook-signature",
        "`v1,` and the base64 HMAC-SHA256 of `{id}.{timestamp}.{body}`; after a rotation two, with a space between.",
        "^v1,[A-Za-z0-9+/=]+( v1,[A-Za-z0-9+/=]+)*$",
    ),
]
_ANSWERS = {
    "2XX": {"description": "Received."},
    "410": {"description": "Never send there again."},
    "default": {
        "description": "Anything else, redirects among it: tried again, after `Retry-After` if given."
    },
}


def webhooks() -> dict[str, Any]:
    """Return what the service sends to receivers (Standard Webhooks 1.0.0)."""
    return {event: {"post": _webhook(event, about)} for event, about in _EVENTS.items()}


def _webhook(event: str, about: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": event},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"$ref": "#/components/schemas/Job"},
        },
    }
    return {
        "operationId": f"webhook_{event.replace('.', '_')}",
        "summary": about,
        "tags": ["webhooks"],
        "security": [],
        "parameters": deepcopy(_HEADERS),
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": deepcopy(_ANSWERS),
    }
