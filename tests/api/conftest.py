"""Fixtures of the contract's tests: a real HTTP server on the test's own database, Redis and storage."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn

from api.main import create_app
from api.server import server_config
from api.services import Services as Parts
from inkqueue.local.redis import free_port
from shared.blobs import Blobs, open_blobs
from shared.db import Database
from shared.settings import Settings
from tests.fakes import FakeWorker
from tests.services import Services, wait_for


class PromptServer(uvicorn.Server):
    """uvicorn's own, but that it waits for no tick and no goodbye where nobody is connected any more."""

    async def main_loop(self) -> None:
        """Look often whether to end."""
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            await asyncio.sleep(0.01)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the application at once when there is nobody to wait for."""
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
            await server.wait_closed()
        await self.lifespan.shutdown()


@contextmanager
def serving(settings: Settings) -> Iterator[httpx.Client]:
    """Serve the API in a thread of this process; lend a client that talks to it over a socket."""
    with serving_app(settings) as (client, _):
        yield client


@contextmanager
def serving_app(settings: Settings) -> Iterator[tuple[httpx.Client, Parts]]:
    """Serve the API likewise; lend the parts it works with, too."""
    app = create_app(settings)
    config = server_config(app, settings, grace_s=1)
    server = PromptServer(config)
    thread = threading.Thread(target=server.run, name="api", daemon=True)
    thread.start()
    wait_for(lambda: server.started or not thread.is_alive(), "the API to start")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=30) as client:
            yield client, app.state.services
    finally:
        server.should_exit = True
        thread.join(15)
    assert not thread.is_alive()


@pytest.fixture
def blobs(settings: Settings) -> Blobs:
    """Open this test's storage."""
    return open_blobs(settings)


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    """Lend a client of a running API."""
    with serving(settings) as client:
        yield client


@pytest.fixture(scope="session")
def common(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Lend a client of one API for all tests that do not mind what else is there."""
    storage = tmp_path_factory.mktemp("common")
    with services.database() as url:
        settings = Settings(
            database_url=url,
            redis_url=services.empty_redis(),
            storage_url=f"file://{storage}",
            port=free_port(),
        )
        with serving(settings) as client:
            yield client


@pytest.fixture
def worker(database: Database, blobs: Blobs) -> FakeWorker:
    """Return a worker that works when it is told to."""
    return FakeWorker(database, blobs)


@pytest.fixture
def small_limits(settings: Settings) -> Iterator[httpx.Client]:
    """Lend a client of an API with small limits."""
    limits = {
        "max_upload_bytes": 300_000,
        "max_json_bytes": 20_000,
        "max_zip_members": 5,
        "max_member_bytes": 50_000,
        "bomb_inflated_bytes": 100_000,
        "max_inflated_bytes": 10_000_000,
    }
    with serving(settings.model_copy(update=limits)) as client:
        yield client
