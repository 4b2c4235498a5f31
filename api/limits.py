"""Who may ask how often: policies, and the `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers-10)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.datastructures import MutableHeaders
from starlette.types import Scope

from api.addresses import place
from api.limits_ahead import Ahead
from api.limits_counters import Counters, Policy, Standing
from shared.errors import RateLimited
from shared.settings import Settings

_FREE = re.compile(r"/(?:healthz|readyz|health|metrics|static/.*)")
"""What machines ask often and what costs nothing."""
_SPECIAL = (
    (re.compile(r"/v1/jobs|/jobs|/v1/jobs/[^/]+/retry"), "submit"),
    (re.compile(r"/v1/predict"), "predict"),
    (re.compile(r"/v1/webhooks/test|/v1/webhooks/deliveries/[^/]+/redeliver"), "webhook-test"),
)


@dataclass(slots=True)
class Rate:
    """What the limits know of one request; kept in its scope."""

    counted: bool = False
    standings: list[Standing] = field(default_factory=list)


class RateLimits:
    """Counts requests by key, without keys by address; both cannot be changed by what a request says of itself.

    Wrong keys are counted by address, after the answer is known: they slow down whoever guesses, and not the
    neighbours behind the same address whose keys are right.
    """

    def __init__(self, settings: Settings) -> None:
        window = settings.rate_limit_window_s
        quotas = {
            "default": settings.rate_limit_requests,
            "submit": settings.rate_limit_submissions,
            "predict": settings.rate_limit_predictions,
            "webhook-test": settings.rate_limit_webhook_tests,
            "auth": settings.rate_limit_failed_auth,
        }
        self._policies = {name: Policy(name, quota, window) for name, quota in quotas.items() if quota}
        self._limits_open = settings.rate_limit_open
        self._guarded = settings.rate_limit_open
        self._counters = Ahead(Counters(settings.redis_url, settings.rate_limit_redis_s))

    async def close(self) -> None:
        """Let Redis go."""
        await self._counters.close()

    async def admit(self, scope: Scope, who: str, is_open: bool) -> None:
        """Count a request of somebody known.

        Args:
            who: what is counted: the key's id, or the tenant in open mode.
            is_open: no key came with it; then its address is counted, if at all.

        Raises:
            RateLimited: the quota of one of its policies is used up.
        """
        rate = rate_of(scope)
        if rate.counted:
            return
        rate.counted = True
        if is_open:
            if self._limits_open:
                await self._take(rate, f"open:{who}:{_place(scope)}", self._names(scope))
            return
        self._guarded = True
        await self._take(rate, f"key:{who}", self._names(scope))

    async def attempt(self, scope: Scope) -> None:
        """Count a sign-in by the address that it comes from, before the key is looked at.

        Raises:
            RateLimited: too many came from there.
        """
        rate = rate_of(scope)
        rate.counted = True
        await self._take(rate, f"address:{_place(scope)}", ["auth"])

    async def finish(self, scope: Scope, status: int) -> RateLimited | None:
        """Count a request that no route asked about, when its answer is there; return what it is answered instead.

        So are counted: wrong keys, addresses that do not exist, methods that an address does not take.
        """
        rate = rate_of(scope)
        self._guarded = self._guarded or status == 401
        if rate.counted or not self._guarded or (status != 401 and _FREE.fullmatch(scope["path"])):
            return None
        rate.counted = True
        key_id = getattr(scope["state"].get("caller"), "key_id", None)
        try:
            if key_id is not None:
                await self._take(rate, f"key:{key_id}", ["default"])
            else:
                await self._take(rate, f"address:{_place(scope)}", ["auth"] if status == 401 else ["default"])
        except RateLimited as error:
            return error
        return None

    def _names(self, scope: Scope) -> list[str]:
        special = [name for pattern, name in _SPECIAL if pattern.fullmatch(scope["path"])]
        return ["default", *(special if scope["method"] == "POST" else ())]

    async def _take(self, rate: Rate, identity: str, names: Sequence[str]) -> None:
        policies = [self._policies[name] for name in names if name in self._policies]
        if not policies:
            return
        rate.standings = await self._counters.take(identity, policies)
        refused = [standing for standing in rate.standings if not standing.allowed]
        if refused:
            worst = max(refused, key=lambda standing: standing.wait_s)
            error = RateLimited(
                f"More than {worst.policy.quota} requests in {worst.policy.window_s} s (`{worst.policy.name}`)."
                f" Please wait {worst.wait_s} s."
            )
            error.retry_after_s = worst.wait_s
            raise error


def rate_of(scope: Scope) -> Rate:
    """Return what the limits know of this request."""
    rate: Rate = scope.setdefault("state", {}).setdefault("rate", Rate())
    return rate


def put_headers(scope: Scope, headers: MutableHeaders) -> None:
    """Tell the caller where he stands with each policy that his request was counted under."""
    standings = rate_of(scope).standings
    if standings:
        headers["RateLimit-Policy"] = ", ".join(
            f'"{s.policy.name}";q={s.policy.quota};w={s.policy.window_s}' for s in standings
        )
        headers["RateLimit"] = ", ".join(f'"{s.policy.name}";r={s.left};t={s.wait_s}' for s in standings)


def _place(scope: Scope) -> str:
    client = scope.get("client")
    return place(client[0] if client else None)
