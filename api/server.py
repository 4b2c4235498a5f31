"""How the application is served: one place, so that tests serve it the same way."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.protocol import bounded
from shared.settings import Settings

BACKLOG = 2048
GOODBYE_S = 1.0
"""Seconds in which busy connections learn that they end; one closed just as a request comes would be an error."""
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


def given_sockets(settings: Settings) -> list[socket.socket] | None:
    """Return the sockets that whoever started this process listens on already."""
    numbers = [int(number) for number in settings.listen_fds.split(",") if number]
    return [socket.socket(fileno=number) for number in numbers] or None


class Server(uvicorn.Server):
    """uvicorn's own, but that it ends without a caller's noticing.

    Long polls and event streams are let go at once, and connections are told to go elsewhere before they are closed.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, and let go of those who wait."""
        super().handle_exit(sig, frame)
        services = getattr(self._app.state, "services", None)
        if services is not None:
            services.waiters.let_go()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, say goodbye in each answer for a moment, then close those that rest."""
        for server in self.servers:
            server.close()
        state = self.server_state
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        over = time.monotonic() + GOODBYE_S
        while state.connections and time.monotonic() < over and not self.force_exit:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)


def allow_files(settings: Settings) -> None:
    """Let this process have as many connections as the settings say, as far as the machine allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_connections + SPARE_FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
