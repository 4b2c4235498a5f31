"""The driver that performs operations with blocking I/O."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import TypeVar

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


class BlockingDriver:
    """Performs operations; safe to use from many threads, for each run has its own stream."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._http = httpx.Client(headers=endpoint.headers(), trust_env=endpoint.trust_env)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def run(self, operation: Call[R]) -> R:
        """Perform an operation and return its result."""
        steps = self.iterate(operation)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: R = end.value
                return result

    def iterate(self, operation: Operation[T, R]) -> Generator[T, None, R]:
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
                        outcome = stream.perform(step)
                except TransportFailure as failure:
                    step = operation.throw(failure)
                else:
                    step = operation.send(outcome)
        except StopIteration as end:
            result: R = end.value
            return result
        finally:
            operation.close()
            stream.close()


class _Stream:
    """Performs single effects; remembers the one open stream of a run."""

    def __init__(self, http: httpx.Client, endpoint: Endpoint) -> None:
        self._http = http
        self._endpoint = endpoint
        self._response: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def perform(self, effect: Effect) -> Outcome:
        """Perform one effect.

        Raises:
            TransportFailure: the network failed.
        """
        try:
            match effect:
                case Send(request):
                    return self._send(request)
                case Open(request):
                    return self._open(request)
                case Read():
                    return next(self._pieces, b"")
                case Close():
                    self.close()
                case Sleep(seconds):
                    time.sleep(seconds)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failure_of(error, self._endpoint.base_url) from error
        return None

    def close(self) -> None:
        """Close the open stream, if there is one."""
        if self._response is not None:
            self._response.close()
        self._response, self._pieces = None, iter(())

    def _send(self, request: Request) -> Reply:
        response = self._http.send(self._built(request))
        return Reply(response.status_code, response.headers, response.content)

    def _open(self, request: Request) -> Reply:
        self.close()
        self._response = response = self._http.send(self._built(request), stream=True)
        if response.is_success:
            self._pieces = response.iter_bytes()
            return Reply(response.status_code, response.headers, b"")
        return Reply(response.status_code, response.headers, response.read())

    def _built(self, request: Request) -> httpx.Request:
        content = request.body.pieces() if request.body else None
        return self._endpoint.request(self._http, request, content)
