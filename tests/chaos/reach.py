"""How the injector gets hold of what it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import redis.asyncio as redis

from inkqueue.local.home import Home
from tests.chaos.faults_plan import Fault
from tests.chaos.folder import StorageFolder
from tests.chaos.links import Links
from tests.chaos.receiver import Receiver

FIND_S = 4.0


class NoTarget(Exception):
    """What the fault was meant for is down already."""


class Reach:
    """Processes by their role, links, tickets, storage and receiver of a running stack."""

    def __init__(self, home: Path, urls: dict[str, str], folder: StorageFolder, receiver: Receiver) -> None:
        """Reach into the stack of this home."""
        self.home, self.urls, self.folder, self.receiver = Home(home), urls, folder, receiver
        self.links = Links(home / "run")
        self._frozen: set[int] = set()

    async def find(self, role: str, pick: int) -> tuple[str, int]:
        """Return a running process of this role; wait a little while all are down.

        Raises:
            NoTarget: they stay down.
        """
        end = time.monotonic() + FIND_S
        while time.monotonic() < end:
            running = self.home.recorded()
            found = sorted((name, pid) for name, (pid, _) in running.items() if name.startswith(role))
            alive = [(name, pid) for name, pid in found if psutil.pid_exists(pid)]
            if alive:
                return alive[pick % len(alive)]
            await asyncio.sleep(0.1)
        raise NoTarget(f"{role} is down")

    async def _child(self, pick: int) -> tuple[str, int]:
        end = time.monotonic() + FIND_S
        while time.monotonic() < end:
            name, pid = await self.find("worker", pick)
            children = sorted(child.pid for child in psutil.Process(pid).children())
            if children:
                return name, children[pick % len(children)]
            await asyncio.sleep(0.1)
        raise NoTarget("the worker has no child")

    async def _end(self, role: str, fault: Fault, number: signal.Signals) -> str:
        name, pid = await self.find(role, fault.pick)
        self._signal(pid, number)
        self._signal(pid, signal.SIGCONT)
        return f"{name} pid {pid}"

    async def _freeze(self, pids: list[int], for_s: float, end: signal.Signals = signal.SIGCONT) -> None:
        self._frozen |= set(pids)
        for pid in pids:
            self._signal(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(for_s)
        finally:
            for pid in pids:
                self._signal(pid, end)
                self._frozen.discard(pid)

    @staticmethod
    def _signal(pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).send_signal(number)

    async def _part(self, server: str, fault: Fault, mode: str, delay_s: float = 0.0) -> str:
        names = self.links.of(server)
        name = names[fault.pick % len(names)]
        await self.links.hold([name], mode, fault.for_s, delay_s)
        return name

    async def _storage(self, kind: str, fault: Fault, delay_s: float = 0.0) -> str:
        self.folder.begin(kind, delay_s)
        try:
            await asyncio.sleep(fault.for_s)
        finally:
            self.folder.end(kind)
        return str(self.folder.path.name)

    async def _receive(self, manner: str, fault: Fault) -> str:
        with self.receiver.behaving(manner):
            await asyncio.sleep(fault.for_s)
        return "receiver"

    async def _rewrite(self, change: Callable[[list[bytes]], list[bytes]]) -> str:
        """Read the tickets of both lanes, those in workers' hands too, and put others beside them."""
        async with self._redis() as client:
            total = 0
            for lane in ("bulk", "interactive"):
                found = list(await client.lrange(lane, 0, -1))
                taken = [json.dumps(json.loads(entry)[0]).encode() for entry in await client.hvals("unacked")]
                changed = change(found + [entry for entry in taken if lane.encode() in entry])[:500]
                async with client.pipeline(transaction=True) as pipe:
                    pipe.delete(lane)
                    if changed:
                        pipe.rpush(lane, *changed)
                    await pipe.execute()
                total += len(changed)
        return f"{total} tickets"

    def _redis(self) -> redis.Redis:
        return redis.Redis.from_url(
            self.urls["INKQUEUE_REDIS_URL"], socket_timeout=2, socket_connect_timeout=2
        )
