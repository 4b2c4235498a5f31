"""Count requests in sliding windows: in Redis for all processes, in memory while Redis is away or slow.

The sliding window counter of `limits` keeps two numbers a key, whatever the rate, lets nobody have twice the quota
around the edge of a window, and takes its time from Redis, so that the clocks of API machines do not matter.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import redis.asyncio
from limits.storage import RedisStorage
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from shared.logs import get_logger

log = get_logger(__name__)

REST_S = 2.0
"""After a failure Redis is left alone for so long, then one request tries it again."""
BATCH = 128
MOST_KEYS = 100_000
"""Keys in memory; beyond that the one not seen for longest is forgotten."""
_PREFIX = "inkqueue:rate:"


@dataclass(frozen=True, slots=True)
class Policy:
    """So many requests in a window of so many seconds; the name stands in the headers."""

    name: str
    quota: int
    window_s: int


class Window(NamedTuple):
    """The last window and the one before it: how many, and for how many seconds each still counts."""

    before: int
    before_s: float
    now: int
    now_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands with a policy, this request counted."""

    policy: Policy
    allowed: bool
    window: Window

    @property
    def left(self) -> int:
        """Return how many more requests would be let through now."""
        weight = self.window.before * self.window.before_s / self.policy.window_s
        return max(0, self.policy.quota - self.window.now - math.floor(weight)) if self.allowed else 0

    @property
    def wait_s(self) -> int:
        """Return whole seconds, rounded up, until a request is let through, or until the window ends."""
        seconds = self.window.now_s if self.left else _until_room(self.policy, self.window)
        return max(1, math.ceil(seconds + 0.001))


def _until_room(policy: Policy, w: Window) -> float:
    """Return the seconds until the weighted count has room for one: floor(before · left / window) + now + 1 ≤ quota."""
    if w.now < policy.quota:
        return w.before_s - (policy.quota - w.now) * policy.window_s / max(w.before, 1)
    return w.now_s + policy.window_s - policy.quota * policy.window_s / w.now


class Memory:
    """The same counting for one process alone."""

    def __init__(self, most: int = MOST_KEYS) -> None:
        self._most = most
        self._counts: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def take(self, identity: str, policy: Policy) -> Standing:
        """Count one request, unless the quota is used up."""
        key = f"{policy.name}:{identity}"
        index, passed = divmod(time.monotonic(), policy.window_s)
        at, before, now = self._counts.get(key, (index, 0, 0))
        if at != index:
            before, now = (now if at == index - 1 else 0), 0
        rest = policy.window_s - passed
        allowed = math.floor(before * rest / policy.window_s) + now + 1 <= policy.quota
        now += allowed
        self._counts[key] = (int(index), before, now)
        self._counts.move_to_end(key)
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return Standing(policy, allowed, Window(before, rest, now, rest))


class Counters:
    """Counts of all processes, in Redis; whatever happens to Redis, `take` answers soon.

    Requests that come together go to Redis together, over one connection.
    """

    def __init__(self, redis_url: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._memory = Memory()
        self._client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
            redis_url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 1),  # a connection that a restart has closed is opened again
        )
        scripts = (RedisStorage.SCRIPT_ACQUIRE_SLIDING_WINDOW, RedisStorage.SCRIPT_SLIDING_WINDOW)
        self._scripts = [self._client.register_script(text) for text in scripts]
        self._waiting: list[tuple[str, Sequence[Policy], asyncio.Future[list[Standing]]]] = []
        self._runner: asyncio.Task[None] | None = None
        self._rest_until = 0.0
        self._failing = False

    async def take(self, identity: str, policies: Sequence[Policy]) -> list[Standing]:
        """Count one request under each policy; never fails, and waits for Redis only shortly."""
        if time.monotonic() < self._rest_until:
            return self._alone(identity, policies)
        if self._failing:  # this request tries; those that come meanwhile do not wait for it
            self._rest_until = time.monotonic() + REST_S
        future: asyncio.Future[list[Standing]] = asyncio.get_running_loop().create_future()
        self._waiting.append((identity, policies, future))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(self._timeout_s):
                return await future
        except (redis.RedisError, OSError, TimeoutError) as error:
            self._rest_until = time.monotonic() + REST_S
            if not self._failing:
                self._failing = True
                log.warning("rates_counted_alone", why=str(error) or "Redis does not answer in time")
            return self._alone(identity, policies)

    async def close(self) -> None:
        """Let the connection go."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        await self._client.aclose()

    def _alone(self, identity: str, policies: Sequence[Policy]) -> list[Standing]:
        return [self._memory.take(identity, policy) for policy in policies]

    async def _run(self) -> None:
        """Ask Redis for all that wait, until nobody waits."""
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                await self._ask(batch)
            except (redis.RedisError, OSError, TimeoutError) as error:
                for _, _, future in batch:
                    if not future.done():
                        future.set_exception(error)

    async def _ask(self, batch: list[tuple[str, Sequence[Policy], asyncio.Future[list[Standing]]]]) -> None:
        try:
            replies = await self._execute(batch)
        except NoScriptError:  # Redis is new or was flushed
            for script in self._scripts:
                await self._client.script_load(script.script)
            replies = await self._execute(batch)
        if self._failing:
            self._failing, self._rest_until = False, 0.0
            log.info("rates_counted_together")
        rest = iter(replies)
        for _, policies, future in batch:
            found = [Standing(policy, bool(next(rest)), _window(next(rest), policy)) for policy in policies]
            if not future.done():
                future.set_result(found)

    async def _execute(self, batch: Sequence[tuple[str, Sequence[Policy], Any]]) -> list[Any]:
        acquire, look = (script.sha for script in self._scripts)
        pipe = self._client.pipeline(transaction=False)
        for identity, policies, _ in batch:
            for policy in policies:
                key = f"{_PREFIX}{{{policy.name}:{policy.quota}:{policy.window_s}:{identity}}}"
                pipe.evalsha(acquire, 2, f"{key}/-1", key, policy.quota, policy.window_s, 1)
                pipe.evalsha(look, 2, f"{key}/-1", key, policy.window_s)
        replies: list[Any] = await pipe.execute()
        return replies


def _window(reply: Sequence[bytes | int | None], policy: Policy) -> Window:
    """Read what the script tells: counts, and milliseconds to live, of the present window one window more."""
    before, before_ms, now, now_ms = (int(part or 0) for part in reply)
    return Window(
        before,
        max(0, before_ms) / 1000,
        now,
        max(0.0, now_ms / 1000 - policy.window_s) if now_ms > 0 else 0.0,
    )
