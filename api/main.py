"""Put the HTTP service together. Nothing connects before the application starts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import openapi, problems
from api.assets import Assets
from api.backlog import Backlog
from api.gate import Gate
from api.health import Probes
from api.intake import Intake
from api.keyring import Keyring
from api.limits import RateLimits
from api.origins import Origins, reach_of_others
from api.outermost import Outermost
from api.presence import Showing
from api.routes import (
    corrections,
    events,
    grid,
    guide_pages,
    health,
    items,
    jobs,
    keys,
    models,
    pages,
    predict,
    result_pages,
    results,
    reviews,
    sheets,
    sign_in,
    submit,
    system,
    system_pages,
    webhooks,
)
from api.scopes import scopes_of
from api.services import Services
from api.sheets import Sheets
from api.submission import Submissions
from api.tickets import Tickets
from api.traffic import Traffic
from api.waiters import Waiters
from shared import lanes
from shared.blobs import open_blobs
from shared.blobs_counted import CountedBlobs
from shared.catalogue import Catalogue
from shared.db import Database
from shared.jobs.arrivals import stored_keys
from shared.jobs.quotas import Quotas
from shared.outbound import OutboundPolicy
from shared.settings import Settings, get_settings

VERSION = "0.1.0"
BROKER_S = 1.0
THREADS = 48
LONG_THREADS = 4
"""For spreadsheets, and as many for retries."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; databases, Redis and threads are opened when it starts and closed when it stops.

    Args:
        settings: those of the environment when left out.
    """
    chosen = settings or get_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        services = build_services(chosen)
        app.state.services = services
        services.tickets.start()
        services.keyring.start()
        services.showing.start()
        await services.waiters.start()
        try:
            yield
        finally:
            await services.waiters.close()
            await services.keyring.close()
            await services.limits.close()
            await anyio.to_thread.run_sync(close_services, services)

    app = FastAPI(
        title="inkqueue",
        version=VERSION,
        description=openapi.DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_url="/openapi.json",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    problems.install(app)
    for module in (
        submit,
        jobs,
        results,
        items,
        grid,
        sheets,
        reviews,
        corrections,
        events,
        predict,
        models,
        health,
        pages,
        result_pages,
        sign_in,
        webhooks,
        keys,
        guide_pages,
        system,
        system_pages,
    ):
        app.include_router(module.router)
    app.mount("/static", Assets(), name="static")
    app.add_middleware(Gate)
    app.add_middleware(Outermost, settings=chosen)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]  # FastAPI's own way to replace it
    return app


def build_services(settings: Settings) -> Services:
    """Make the parts of one process; none of them has connected yet."""
    db = Database(settings.sqlalchemy_url, "api", settings.api_db_pool)
    quick_db = Database(
        settings.sqlalchemy_url,
        "api",
        settings.api_db_pool,
        quick=True,
        prepared=settings.prepared_statements,
    )
    traffic = Traffic()
    blobs = CountedBlobs(open_blobs(settings, partial(stored_keys, db)), traffic)
    client = lanes.connect(settings, BROKER_S)
    catalogue = Catalogue(settings.model_dirs, settings.default_model)
    policy = OutboundPolicy.from_settings(settings)
    quotas = Quotas(settings)
    return Services(
        settings=settings,
        db=db,
        blobs=blobs,
        redis=client,
        tickets=Tickets(client),
        waiters=Waiters(db, settings.redis_url, settings.max_waiting_requests),
        catalogue=catalogue,
        intake=Intake(settings),
        submissions=Submissions(db, blobs, catalogue, settings, policy, quotas),
        quick=Submissions(quick_db, blobs, catalogue, settings, policy, quotas),
        outbound=policy,
        quick_db=quick_db,
        backlog=Backlog(db, settings.max_interactive_backlog),
        probes=Probes(settings, db, blobs, catalogue),
        exporting=anyio.CapacityLimiter(LONG_THREADS),
        retrying=anyio.CapacityLimiter(LONG_THREADS),
        limits=RateLimits(settings),
        quotas=quotas,
        keyring=Keyring(
            db, settings, closed=not settings.allow_open and reach_of_others(settings) is not None
        ),
        origins=Origins(settings),
        sheets=Sheets(db, blobs, client),
        traffic=traffic,
        showing=Showing(db, traffic, quick_db),
    )


def close_services(services: Services) -> None:
    """Let everything go."""
    services.showing.close()
    services.tickets.close()
    services.probes.close()
    services.redis.close()
    services.quick_db.close()
    services.db.close()


def _document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with problem documents as the only errors."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            license_info=app.license_info,
            routes=app.routes,
        )
        app.openapi_schema = openapi.completed(document, scopes_of(app))
    return app.openapi_schema
