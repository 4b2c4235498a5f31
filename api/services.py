"""What the endpoints work with: built once by `api.main`, reached through the application's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import anyio
import redis
from fastapi import Depends, Request

from api.backlog import Backlog
from api.health import Probes
from api.intake import Intake
from api.submission import Submissions
from api.tickets import Tickets
from api.waiters import Waiters
from shared.blobs import Blobs
from shared.catalogue import Catalogue
from shared.db import Database
from shared.settings import Settings


@dataclass(frozen=True)
class Services:
    """The parts of one API process.

    `quick` makes the jobs of `predict` by one statement; its commit is asynchronous, since nothing is acknowledged
    before the worker's synchronous commit has flushed everything earlier. `exporting` and `retrying` lend threads to
    what takes long, so that it cannot take those of all other endpoints.
    """

    settings: Settings
    db: Database
    blobs: Blobs
    redis: redis.Redis
    tickets: Tickets
    waiters: Waiters
    catalogue: Catalogue
    intake: Intake
    submissions: Submissions
    quick: Submissions
    quick_db: Database
    backlog: Backlog
    probes: Probes
    exporting: anyio.CapacityLimiter
    retrying: anyio.CapacityLimiter


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: whose things are seen and what may be done.

    `open` says that the service has no keys, so that everybody who reaches it may do everything.
    """

    tenant: str = "default"
    scopes: frozenset[str] = frozenset()
    key_id: UUID | None = None
    open: bool = False

    def may(self, scope: str) -> bool:
        """Tell whether the caller has a scope; `admin` includes all others."""
        return scope in self.scopes or "admin" in self.scopes


async def get_services(request: Request) -> Services:
    """Return the parts of this process; async, so that it costs no thread."""
    services: Services = request.app.state.services
    return services


async def get_caller() -> Caller:
    """Return who asks; without keys everybody is the tenant `default`."""
    return Caller(scopes=frozenset({"admin"}), open=True)


Parts = Annotated[Services, Depends(get_services)]
By = Annotated[Caller, Depends(get_caller)]
