"""Do what the plan says to the processes of the stack, and write down what was hit and when."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import psycopg
import redis.asyncio as redis

from tests.chaos.faults_plan import Fault
from tests.chaos.folder import StorageFolder
from tests.chaos.reach import NoTarget, Reach
from tests.chaos.receiver import Receiver


@dataclass
class Done:
    """A fault as it happened."""

    number: int
    kind: str
    at_s: float
    planned_s: float
    lasted_s: float
    target: str
    landed: bool


class Injector(Reach):
    """All that can be done to a running stack."""

    def __init__(self, home: Path, urls: dict[str, str], folder: StorageFolder, receiver: Receiver) -> None:
        """Act on the stack of this home."""
        super().__init__(home, urls, folder, receiver)
        self.done: list[Done] = []
        self._began = time.monotonic()

    async def run(self, plan: list[Fault]) -> None:
        """Let every fault happen at its moment; return when the last one is over."""
        self._began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in plan:
                await asyncio.sleep(max(0.0, self._began + fault.at_s - time.monotonic()))
                group.create_task(self.strike(fault))

    async def strike(self, fault: Fault) -> Done:
        """Let one fault happen."""
        work: Callable[[Fault], Awaitable[str]] = getattr(self, f"_{fault.kind}")
        began = time.monotonic()
        try:
            target, landed = await work(fault), True
        except (NoTarget, psutil.Error, redis.RedisError, psycopg.Error, OSError) as error:
            target, landed = f"{type(error).__name__}: {error}".splitlines()[0], False
        lasted = time.monotonic() - began
        done = Done(fault.number, fault.kind, began - self._began, fault.at_s, lasted, target, landed)
        self.done.append(done)
        return done

    def thaw(self) -> None:
        """Let every frozen process go on."""
        for pid in list(self._frozen):
            self._signal(pid, signal.SIGCONT)

    def write(self, path: Path) -> None:
        """Write down what happened, a line a fault."""
        path.write_text("".join(json.dumps(asdict(done)) + "\n" for done in self.done))

    # --- processes

    async def _worker_kill(self, fault: Fault) -> str:
        name, pid = await self.find("worker", fault.pick)
        self._signal(pid, signal.SIGKILL)
        return f"{name} pid {pid}"

    async def _worker_child_kill(self, fault: Fault) -> str:
        name, pid = await self._child(fault.pick)
        self._signal(pid, signal.SIGKILL)
        return f"{name} child {pid}"

    async def _worker_freeze(self, fault: Fault) -> str:
        name, pid = await self.find("worker", fault.pick)
        await self._freeze([pid], fault.for_s)
        return f"{name} pid {pid}"

    async def _worker_child_freeze(self, fault: Fault) -> str:
        name, pid = await self._child(fault.pick)
        await self._freeze([pid], fault.for_s)
        return f"{name} child {pid}"

    async def _worker_freeze_kill(self, fault: Fault) -> str:
        name, pid = await self.find("worker", fault.pick)
        pids = [*(child.pid for child in psutil.Process(pid).children()), pid]
        await self._freeze(pids, fault.for_s, end=signal.SIGKILL)
        return f"{name} pid {pid}"

    async def _worker_stop(self, fault: Fault) -> str:
        return await self._end("worker", fault, signal.SIGTERM)

    async def _api_kill(self, fault: Fault) -> str:
        return await self._end("api", fault, signal.SIGKILL)

    async def _api_stop(self, fault: Fault) -> str:
        return await self._end("api", fault, signal.SIGTERM)

    async def _api_freeze(self, fault: Fault) -> str:
        name, pid = await self.find("api", fault.pick)
        await self._freeze([pid], fault.for_s)
        return f"{name} pid {pid}"

    async def _steward_kill(self, fault: Fault) -> str:
        return await self._end("steward", fault, signal.SIGKILL)

    async def _steward_freeze(self, fault: Fault) -> str:
        name, pid = await self.find("steward", fault.pick)
        await self._freeze([pid], fault.for_s)
        return f"{name} pid {pid}"

    # --- Redis

    async def _redis_kill(self, fault: Fault) -> str:
        return await self._end("redis", fault, signal.SIGKILL)

    async def _redis_freeze(self, fault: Fault) -> str:
        _, pid = await self.find("redis", 0)
        await self._freeze([pid], fault.for_s)
        return f"redis pid {pid}"

    async def _redis_flush(self, _fault: Fault) -> str:
        async with self._redis() as client:
            await client.flushall()
        return "redis"

    async def _redis_gone(self, fault: Fault) -> str:
        await self.links.hold(self.links.of("redis"), "closed", fault.for_s)
        return "all links to redis"

    async def _redis_partition(self, fault: Fault) -> str:
        return await self._part("redis", fault, "silent")

    async def _redis_slow(self, fault: Fault) -> str:
        return await self._part("redis", fault, "slow", 0.02 + 0.5 * fault.amount)

    async def _redis_cut(self, _fault: Fault) -> str:
        await self.links.cut(self.links.of("redis"))
        return "all links to redis"

    async def _messages_doubled(self, fault: Fault) -> str:
        chance = random.Random(fault.pick)
        return await self._rewrite(lambda found: found + (found and chance.choices(found, k=len(found) + 3)))

    async def _messages_reordered(self, fault: Fault) -> str:
        chance = random.Random(fault.pick)
        return await self._rewrite(lambda found: chance.sample(found, len(found)) + found[:2])

    async def _messages_lost(self, _fault: Fault) -> str:
        async with self._redis() as client:
            removed = await client.delete("bulk", "interactive", "unacked", "unacked_index")
        return f"{removed} lists"

    # --- PostgreSQL

    async def _postgres_restart(self, fault: Fault) -> str:
        return await self._end("postgres", fault, signal.SIGINT)

    async def _postgres_crash(self, fault: Fault) -> str:
        number = signal.SIGQUIT if fault.amount < 0.5 else signal.SIGKILL
        return await self._end("postgres", fault, number) + f" {number.name}"

    async def _postgres_sessions(self, fault: Fault) -> str:
        chance = random.Random(fault.pick)
        async with await psycopg.AsyncConnection.connect(
            self.urls["INKQUEUE_DATABASE_URL"], autocommit=True, connect_timeout=3
        ) as connection:
            rows = await (
                await connection.execute(
                    "SELECT pid, application_name FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name LIKE 'inkqueue%' ORDER BY pid"
                )
            ).fetchall()
            hit = chance.sample(rows, min(len(rows), 1 + chance.randrange(6)))
            for pid, _ in hit:
                await connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        return ", ".join(name for _, name in hit) or "nobody"

    async def _postgres_cut(self, fault: Fault) -> str:
        names = self.links.of("postgres")
        name = names[fault.pick % len(names)]
        await self.links.cut([name])
        return name

    async def _postgres_partition(self, fault: Fault) -> str:
        return await self._part("postgres", fault, "silent")

    async def _postgres_slow(self, fault: Fault) -> str:
        return await self._part("postgres", fault, "slow", 0.005 + 0.1 * fault.amount)

    # --- storage, clock, receiver

    async def _storage_fails(self, fault: Fault) -> str:
        return await self._storage("storage_fails", fault)

    async def _storage_slow(self, fault: Fault) -> str:
        return await self._storage("storage_slow", fault, 0.1 + 1.4 * fault.amount)

    async def _storage_gone(self, fault: Fault) -> str:
        return await self._storage("storage_gone", fault)

    async def _disk_full(self, fault: Fault) -> str:
        return await self._storage("disk_full", fault)

    async def _clock_jump(self, fault: Fault) -> str:
        clocks = sorted(self.home.run.glob("clock-*"))
        clock = clocks[fault.pick % len(clocks)]
        offset = round((fault.amount - 0.5) * 7200)
        clock.write_text(f"{offset:+d}\n")
        await asyncio.sleep(fault.for_s)
        clock.write_text("+0\n")
        return f"{clock.name.removeprefix('clock-')} by {offset} s"

    async def _receiver_down(self, fault: Fault) -> str:
        return await self._receive("down", fault)

    async def _receiver_fails(self, fault: Fault) -> str:
        return await self._receive("fails", fault)

    async def _receiver_slow(self, fault: Fault) -> str:
        return await self._receive("slow", fault)
