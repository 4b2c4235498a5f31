"""Submit the orders and live each job's life: cancel, retry, delete, the same key again."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.chaos.client import Client, GaveUp, Violations
from tests.chaos.contents import Content, refused
from tests.chaos.orders import Order, request
from tests.chaos.watch import Watcher

UPLOAD_S = 60.0


@dataclass
class Record:
    """A job that was acknowledged, and what its results may look like."""

    id: str
    content: str
    number: int
    webhook: bool
    webhook_started: bool = False
    may_stop: bool = False
    parent: str | None = None
    deleted: bool = False


class Traffic:
    """All that users do."""

    def __init__(
        self, client: Client, watcher: Watcher, contents: Mapping[str, Content], violations: Violations
    ) -> None:
        """Send these contents."""
        self.client, self.watcher, self.contents, self.violations = client, watcher, contents, violations
        self.records: dict[str, Record] = {}
        self.counts: Counter[str] = Counter()
        self.predictions: dict[str, Any] = {}

    async def run(self, orders: Sequence[Order]) -> None:
        """Live through all orders; return when each job has ended and what is done to it is done."""
        began = time.monotonic()
        lives = []
        for order in orders:
            await asyncio.sleep(max(0.0, began + order.at_s - time.monotonic()))
            lives.append(asyncio.create_task(self._safely(order)))
        await asyncio.gather(*lives)

    async def predict(self, every_s: float) -> None:
        """Ask for single readings all the time; an answer must be the right one, none is no fault."""
        names = ["one png", "one photo", "one blank"]
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.5) * every_s)
            name = random.choice(names)
            content = self.contents[name]
            try:
                answer = await self.client.once(
                    "POST",
                    "/v1/predict",
                    content=content.body["content"],
                    headers=content.headers,
                    timeout_s=40.0,
                )
            except httpx.TransportError:
                self.counts["predict unanswered"] += 1
                continue
            self.counts[f"predict {answer.status_code}"] += 1
            if answer.status_code == 200:
                found = answer.json()
                same = (found["prediction"], found["decision"])
                if self.predictions.setdefault(name, same) != same:
                    self.violations.add(f"predict of {name}: {same}, not {self.predictions[name]}")

    async def refusals(self, every_s: float) -> None:
        """Submit what must be refused."""
        bad = refused()
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.5) * every_s)
            code, content = random.choice(list(bad.items()))
            try:
                answer = await self.client.call("POST", "/v1/jobs", **request(content, {}, None))
            except GaveUp as error:
                self.violations.add(str(error))
                continue
            self.counts["refused"] += 1
            if answer.status_code != 422 or answer.json()["code"] != code:
                self.violations.add(f"{content.name}: {answer.status_code} {answer.text[:200]}, not {code}")

    async def submit(self, order: Order) -> Record | None:
        """Submit until it is acknowledged; without a key at most once, and None when no answer came."""
        content = self.contents[order.content]
        send = request(content, order.options, order.key)
        if order.key is None:
            try:
                answer = await self.client.once("POST", "/v1/jobs", timeout_s=UPLOAD_S, **send)
            except httpx.TransportError:
                answer = None
            if answer is None or answer.status_code >= 500 or answer.status_code == 429:
                self.counts["given up without a key"] += 1
                return None
        else:
            answer = await self.client.call("POST", "/v1/jobs", timeout_s=UPLOAD_S, **send)
        if answer.status_code not in (200, 202):
            self.violations.add(f"{order.content}: {answer.status_code} {answer.text[:300]}")
            return None
        return self._acknowledged(order, answer.json()["id"])

    def _acknowledged(self, order: Order, job: str, parent: str | None = None) -> Record:
        """Note a 202; from now on this job must end."""
        may_stop = order.act == "cancel" or "deadline_s" in order.options
        started = "job.started" in order.options.get("webhook_events", ())
        record = Record(
            job, order.content, order.number, order.webhook, started, may_stop and not parent, parent
        )
        self.records.setdefault(job, record)
        self.watcher.add(job)
        return self.records[job]

    async def _safely(self, order: Order) -> None:
        try:
            await self._live(order)
        except GaveUp as error:
            self.violations.add(f"order {order.number}: {error}")
        except Exception as error:
            self.violations.add(f"order {order.number} ({order.act}): {type(error).__name__} {error}")

    async def _live(self, order: Order) -> None:
        self.counts[f"act {order.act}"] += 1
        if order.act == "twins":
            await self._twins(order)
            return
        record = await self.submit(order)
        if record is None:
            return
        match order.act:
            case "cancel":
                await asyncio.sleep(order.after_s)
                await self._expect("POST", f"/v1/jobs/{record.id}/cancel", {200, 202})
            case "repeat":
                await asyncio.sleep(order.after_s)
                await self._again(order, record.id)
            case "clash":
                await self._clash(order)
            case _:
                pass
        await self.watcher.ended(record.id)
        if order.act == "retry":
            await self._retry(order, record)
        elif order.act == "delete":
            await self._delete(record)

    async def _twins(self, order: Order) -> None:
        """Send the same with the same key three times at once: one job."""
        found = await asyncio.gather(*(self.submit(order) for _ in range(3)))
        ids = {record.id for record in found if record}
        if len(ids) != 1:
            self.violations.add(f"order {order.number}: one key made {ids}")
        for job in ids:
            await self.watcher.ended(job)

    async def _again(self, order: Order, job: str) -> None:
        send = request(self.contents[order.content], order.options, order.key)
        answer = await self.client.call("POST", "/v1/jobs", timeout_s=UPLOAD_S, **send)
        if answer.status_code not in (200, 202) or answer.json()["id"] != job:
            self.violations.add(f"order {order.number}: its key gave {answer.text[:200]}, not {job}")
        elif answer.headers.get("idempotency-replayed") != "true":
            self.violations.add(f"order {order.number}: a repeat is not marked as one")

    async def _clash(self, order: Order) -> None:
        other = next(c for name, c in self.contents.items() if name != order.content and c.items == 1)
        send = request(other, order.options, order.key)
        answer = await self.client.call("POST", "/v1/jobs", timeout_s=UPLOAD_S, **send)
        if answer.status_code != 422 or answer.json()["code"] != "idempotency_key_reused":
            self.violations.add(f"order {order.number}: other content under its key: {answer.text[:200]}")

    async def _retry(self, order: Order, record: Record) -> None:
        headers = {"Idempotency-Key": f"{order.key}-retry"} if order.key else None
        if headers is None:
            return
        answer = await self._expect("POST", f"/v1/jobs/{record.id}/retry", {202, 409}, headers=headers)
        if answer.status_code == 202:
            child = self._acknowledged(order, answer.json()["id"], record.id)
            await self.watcher.ended(child.id)

    async def _delete(self, record: Record) -> None:
        record.deleted = True
        answer = await self._expect("DELETE", f"/v1/jobs/{record.id}", {204, 404})
        self.counts[f"delete {answer.status_code}"] += 1
        answer = await self.client.call("GET", f"/v1/jobs/{record.id}")
        if answer.status_code != 404:
            self.violations.add(f"{record.id} was deleted and answers {answer.status_code}")

    async def _expect(self, method: str, path: str, statuses: set[int], **more: Any) -> httpx.Response:
        answer = await self.client.call(method, path, **more)
        if answer.status_code not in statuses:
            self.violations.add(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer
