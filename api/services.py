"""What the endpoints work with: built once by `api.main`, reached through the application's state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import anyio
import redis
from fastapi import Depends, Request

from api.backlog import Backlog
from api.caller import Caller, SignedIn
from api.health import Probes
from api.intake import Intake
from api.kept import Kept
from api.keyring import Keyring
from api.limits import RateLimits
from api.origins import Origins
from api.presence import Showing
from api.sheets import Sheets
from api.submission import Submissions
from api.tickets import Tickets
from api.traffic import Traffic
from api.waiters import Waiters
from shared.blobs import Blobs
from shared.catalogue import Catalogue
from shared.db import Database
from shared.errors import Unauthorized
from shared.jobs.quotas import Quotas
from shared.outbound import OutboundPolicy
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
    outbound: OutboundPolicy
    backlog: Backlog
    probes: Probes
    exporting: anyio.CapacityLimiter
    retrying: anyio.CapacityLimiter
    limits: RateLimits
    quotas: Quotas
    keyring: Keyring
    origins: Origins
    sheets: Sheets
    traffic: Traffic
    showing: Showing
    kept: Kept = field(default_factory=Kept)


async def get_services(request: Request) -> Services:
    """Return the parts of this process; async, so that it costs no thread."""
    services: Services = request.app.state.services
    return services


async def get_caller(request: Request) -> Caller:
    """Return who asks, as `api.gate` has found out.

    Raises:
        Unauthorized: nobody was let in; a service without its gate is closed.
    """
    caller = request.scope.get("state", {}).get("caller")
    if not isinstance(caller, Caller):
        raise Unauthorized()
    return caller


Parts = Annotated[Services, Depends(get_services)]


async def get_admitted(
    request: Request, parts: Parts, caller: Annotated[Caller, Depends(get_caller)]
) -> Caller:
    """Return who asks, once the request was counted under the caller's rate limits.

    Raises:
        RateLimited: too many came.
    """
    await parts.limits.admit(request.scope, str(caller.key_id or caller.tenant), caller.key_id is None)
    return caller


By = Annotated[Caller, Depends(get_admitted)]

__all__ = ["By", "Caller", "Parts", "Services", "SignedIn"]
