"""Count requests in sliding windows: in Redis for all processes, in memory while Redis is away or slow.

The sliding window counter of `limits` keeps two numbers a key, whatever the rate, lets nobody have twice the quota
around the edge of a window, and takes its time from Redis, so that the clocks of API machines do not matter.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import redis
from limits.storage import RedisStorage
from redis.asyncio.connection import AbstractConnection, ConnectionPool
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

    def after(self, more: int) -> Standing:
        """Return where the caller stands after so many more requests."""
        return replace(self, window=self.window._replace(now=self.window.now + more))

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

    def take(self, identity: str, policy: Policy, amount: int = 1) -> Standing:
        """Count so many requests, unless the quota has no room for them."""
        key = f"{policy.name}:{identity}"
        index, passed = divmod(time.monotonic(), policy.window_s)
        at, before, now = self._counts.get(key, (index, 0, 0))
        if at != index:
            before, now = (now if at == index - 1 else 0), 0
        rest = policy.window_s - passed
        allowed = math.floor(before * rest / policy.window_s) + now + amount <= policy.quota
        now += amount * allowed
        self._counts[key] = (int(index), before, now)
        self._counts.move_to_end(key)
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return Standing(policy, allowed, Window(before, rest, now, rest))


class Counters:
    """Counts of all processes, in Redis; whatever happens to Redis, `take` answers soon.

    Requests that come together go to Redis together, over one connection, each by one call of one script.
    """

    def __init__(self, redis_url: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._memory = Memory()
        self._pool = ConnectionPool.from_url(
            redis_url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
        self._connection: AbstractConnection | None = None
        self._waiting: list[_Question] = []
        self._runner: asyncio.Task[None] | None = None
        self._rest_until = 0.0
        self._failing = False

    async def take(self, identity: str, policies: Sequence[Policy], amount: int = 1) -> list[Standing]:
        """Count so many requests under each policy; never fails, and waits for Redis only shortly."""
        if time.monotonic() < self._rest_until:
            return self._alone(identity, policies, amount)
        if self._failing:  # this request tries; those that come meanwhile do not wait for it
            self._rest_until = time.monotonic() + REST_S
        future: asyncio.Future[list[Standing]] = asyncio.get_running_loop().create_future()
        self._waiting.append((identity, policies, amount, future))
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
            return self._alone(identity, policies, amount)

    async def close(self) -> None:
        """Let the connection go."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        await self._hang_up()
        await self._pool.aclose()

    def _alone(self, identity: str, policies: Sequence[Policy], amount: int) -> list[Standing]:
        return [self._memory.take(identity, policy, amount) for policy in policies]

    async def _run(self) -> None:
        """Ask Redis for all that wait, until nobody waits."""
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                await self._ask(batch)
            except (redis.RedisError, OSError, TimeoutError) as error:
                await self._hang_up()
                for *_, future in batch:
                    if not future.done():
                        future.set_exception(error)

    async def _ask(self, batch: Sequence[_Question]) -> None:
        kept = self._connection is not None
        try:
            replies = await self._replies(batch)
        except (redis.ConnectionError, OSError) as error:
            if not kept or isinstance(error, TimeoutError):
                raise
            await self._hang_up()  # Redis was started anew, or closed what was idle
            replies = await self._replies(batch)
        if self._failing:
            self._failing, self._rest_until = False, 0.0
            log.info("rates_counted_together")
        for (_, policies, _, future), reply in zip(batch, replies, strict=True):
            if not future.done():
                pairs = zip(policies, reply, strict=True)
                future.set_result([_standing(policy, numbers) for policy, numbers in pairs])

    async def _replies(self, batch: Sequence[_Question]) -> list[Any]:
        """Send a call for each and read what comes back; where the script is not known, its text goes along."""
        try:
            return await self._exchange(batch, "EVALSHA", SHA)
        except NoScriptError:
            await self._hang_up()
            return await self._exchange(batch, "EVAL", SCRIPT)

    async def _exchange(self, batch: Sequence[_Question], verb: str, script: str) -> list[Any]:
        if self._connection is None:
            self._connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]  # a decorator's
        connection = self._connection
        commands = [(verb, script, *_arguments(who, what, n)) for who, what, n, _ in batch]
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        return [await connection.read_response() for _ in batch]

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self._pool.release(connection)


def _arguments(identity: str, policies: Sequence[Policy], amount: int) -> list[str | int]:
    """Return the number of keys, the keys and the numbers of one call of the script."""
    keys: list[str | int] = []
    numbers: list[str | int] = []
    for policy in policies:
        key = f"{_PREFIX}{{{policy.name}:{policy.quota}:{policy.window_s}:{identity}}}"
        keys += [f"{key}/-1", key]
        numbers += [policy.quota, policy.window_s]
    return [len(keys), *keys, *numbers, amount]


def _standing(policy: Policy, numbers: Sequence[int]) -> Standing:
    """Read what the script tells; its milliseconds to live of the present window are those of one window more."""
    allowed, before, before_ms, now, now_ms = numbers
    rest_s = max(0.0, now_ms / 1000 - policy.window_s)
    return Standing(policy, bool(allowed), Window(before, max(0, before_ms) / 1000, now, rest_s))


def _text(script: str | bytes) -> str:
    return script.decode() if isinstance(script, bytes) else script


_Question = tuple[str, Sequence[Policy], int, asyncio.Future[list[Standing]]]
SCRIPT = f"""local function acquire(KEYS, ARGV)
{_text(RedisStorage.SCRIPT_ACQUIRE_SLIDING_WINDOW)}
end
local function look(KEYS, ARGV)
{_text(RedisStorage.SCRIPT_SLIDING_WINDOW)}
end
local found, open = {{}}, true
for k = 1, #KEYS / 2 do
    local keys = {{KEYS[2 * k - 1], KEYS[2 * k]}}
    open = open and acquire(keys, {{ARGV[2 * k - 1], ARGV[2 * k], ARGV[#ARGV]}})
    local window = look(keys, {{ARGV[2 * k]}})
    found[k] = {{open and 1 or 0}}
    for n = 1, 4 do
        found[k][n + 1] = tonumber(window[n] or 0)
    end
end
return found
"""
"""The two scripts of `limits` for a sliding window counter, over all policies of a request; after the first that is
used up the others are only looked at."""
SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
