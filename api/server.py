"""How the application is served: one place, so that tests serve it the same way."""

from __future__ import annotations

import resource

import uvicorn
from fastapi import FastAPI

from api.protocol import bounded
from shared.settings import Settings

BACKLOG = 2048
SPARE_FILES = 512
"""Open files beside those of the connections."""


def server_config(app: FastAPI, settings: Settings, grace_s: int) -> uvicorn.Config:
    """Return what uvicorn needs to know.

    Whom to believe about a request's origin is `api.addresses`' business: uvicorn would believe everybody on this
    machine.

    Args:
        grace_s: seconds that requests have to end when the process is to stop.
    """
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="auto",
        http=bounded(settings),
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        backlog=BACKLOG,
        timeout_graceful_shutdown=grace_s,
    )


def allow_files(settings: Settings) -> None:
    """Let this process have as many connections as the settings say, as far as the machine allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_connections + SPARE_FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
