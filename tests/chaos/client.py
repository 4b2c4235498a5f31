"""A client as users are told to write one: it repeats what may be repeated and follows `Retry-After`."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx

LONGEST_WAIT_S = 5.0
AT_ONCE = 48


class GaveUp(Exception):
    """The service did not answer for too long."""


class Violations:
    """What must not happen and did."""

    def __init__(self) -> None:
        """Know of none."""
        self.found: list[str] = []

    def add(self, what: str) -> None:
        """Note one, and show it at once."""
        self.found.append(what)
        if len(self.found) <= 200:
            print(f"VIOLATION: {what}", flush=True)


class Client:
    """Calls to all API processes, the next one whenever one fails."""

    def __init__(self, urls: Sequence[str], violations: Violations, patience_s: float) -> None:
        """Call these addresses; give up after so many seconds without an answer that ends the matter."""
        self._urls, self._next = list(urls), itertools.count()
        self.violations, self.patience_s = violations, patience_s
        limits = httpx.Limits(max_connections=400, max_keepalive_connections=100)
        self.http = httpx.AsyncClient(trust_env=False, limits=limits)
        self.answers: Counter[str] = Counter()
        self._turns = asyncio.Semaphore(
            AT_ONCE
        )  # a thousand users, and one machine that they share with the service
        self.longest_s = 0.0

    async def close(self) -> None:
        """Close all connections."""
        await self.http.aclose()

    async def call(self, method: str, path: str, *, timeout_s: float = 12.0, **more: Any) -> httpx.Response:
        """Call until an answer ends the matter: one below 500 that is not 429.

        Raises:
            GaveUp: none came in all the time that this client has patience for.
        """
        began, seen = 0.0, ""
        while not began or time.monotonic() - began < self.patience_s:
            try:
                async with self._turns:
                    began = began or time.monotonic()
                    answer = await self.once(method, path, timeout_s=timeout_s, **more)
            except httpx.TransportError as error:
                seen = type(error).__name__
                self.answers[seen] += 1
                await asyncio.sleep(random.uniform(0.1, 0.6))
                continue
            if answer.status_code not in (429, 500, 502, 503, 504, 507):
                self.longest_s = max(self.longest_s, time.monotonic() - began)
                return answer
            seen = f"{answer.status_code} {answer.text[:200]}"
            await asyncio.sleep(self._wait_s(answer))
        raise GaveUp(f"{method} {path}: {seen}")

    async def once(self, method: str, path: str, *, timeout_s: float = 12.0, **more: Any) -> httpx.Response:
        """Call once, and look whether the answer keeps the rules of answers."""
        url = self._urls[next(self._next) % len(self._urls)]
        timeout = httpx.Timeout(timeout_s, connect=3.0)
        answer = await self.http.request(method, url + path, timeout=timeout, **more)
        self.answers[str(answer.status_code)] += 1
        if answer.status_code >= 400:
            self._judge(answer, f"{method} {path}")
        return answer

    def _judge(self, answer: httpx.Response, what: str) -> None:
        kind = answer.headers.get("content-type", "")
        if not kind.startswith("application/problem+json"):
            self.violations.add(f"{what}: {answer.status_code} is no problem document but {kind}")
        elif answer.status_code == 500:
            self.violations.add(f"{what}: 500 {answer.text[:300]}")
        elif answer.status_code in (429, 503, 507) and "retry-after" not in answer.headers:
            self.violations.add(f"{what}: {answer.status_code} without Retry-After")

    @staticmethod
    def _wait_s(answer: httpx.Response) -> float:
        try:
            asked = float(answer.headers.get("retry-after", "1"))
        except ValueError:
            asked = 1.0
        return min(LONGEST_WAIT_S, asked) * random.uniform(1.0, 1.3)
