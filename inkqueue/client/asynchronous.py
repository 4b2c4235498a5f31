"""The driver that performs operations with asynchronous I/O, on asyncio or trio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

import anyio
import anyio.to_thread
import httpx

from inkqueue.client.endpoint import Endpoint
from inkqueue.client.failures import failure_of
from inkqueue.client.wire import (
    Call,
    Close,
    Effect,
    Emit,
    Open,
    Operation,
    Outcome,
    Read,
    Reply,
    Request,
    Send,
    Sleep,
    TransportFailure,
)

T = TypeVar("T")
R = TypeVar("R")


class AsyncDriver:
    """Performs operations; safe to use from many tasks of one loop, for each run has its own stream."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._http = httpx.AsyncClient(headers=endpoint.headers(), trust_env=endpoint.trust_env)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def run(self, operation: Call[R]) -> R:
        """Perform an operation and return its result."""
        [result] = [one async for one in self.iterate(_with_result(operation))]
        return result

    async def iterate(self, operation: Operation[T, object]) -> AsyncIterator[T]:
        """Perform an operation and hand out what it emits."""
        stream = _Stream(self._http, self.endpoint)
        try:
            step = next(operation)
            while True:
                outcome: Outcome = None
                try:
                    if isinstance(step, Emit):
                        yield step.value
                    else:
                        outcome = await stream.perform(step)
                except TransportFailure as failure:
                    step = operation.throw(failure)
                else:
                    step = operation.send(outcome)
        except StopIteration:
            return
        finally:
            operation.close()
            await stream.close()


def _with_result(operation: Call[R]) -> Operation[R, None]:
    """Emit what an operation returns, since an asynchronous generator cannot return it."""
    yield Emit((yield from operation))


class _Stream:
    """Performs single effects; remembers the one open stream of a run."""

    def __init__(self, http: httpx.AsyncClient, endpoint: Endpoint) -> None:
        self._http = http
        self._endpoint = endpoint
        self._response: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def perform(self, effect: Effect) -> Outcome:
        """Perform one effect.

        Raises:
            TransportFailure: the network failed.
        """
        try:
            match effect:
                case Send(request):
                    return await self._send(request)
                case Open(request):
                    return await self._open(request)
                case Read():
                    return b"" if self._pieces is None else await anext(self._pieces, b"")
                case Close():
                    await self.close()
                case Sleep(seconds):
                    await anyio.sleep(seconds)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failure_of(error, self._endpoint.base_url) from error
        return None

    async def close(self) -> None:
        """Close the open stream, if there is one."""
        if self._response is not None:
            await self._response.aclose()
        self._response, self._pieces = None, None

    async def _send(self, request: Request) -> Reply:
        response = await self._http.send(self._built(request))
        return Reply(response.status_code, response.headers, response.content)

    async def _open(self, request: Request) -> Reply:
        await self.close()
        self._response = response = await self._http.send(self._built(request), stream=True)
        if response.is_success:
            self._pieces = response.aiter_bytes()
            return Reply(response.status_code, response.headers, b"")
        return Reply(response.status_code, response.headers, await response.aread())

    def _built(self, request: Request) -> httpx.Request:
        content = _read_in_threads(request.body.pieces()) if request.body else None
        return self._endpoint.request(self._http, request, content)


async def _read_in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Read a body from disk without holding up the loop."""
    while piece := await anyio.to_thread.run_sync(next, pieces, b""):
        yield piece
