"""When a request is sent again: which failures, how long after, and how often at most."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from inkqueue.client.answers import problem_of
from inkqueue.client.wire import Call, Reply, Request, TransportFailure, open_stream, send, sleep
from inkqueue.exceptions import ApiError, ServiceUnreachable

RETRIED_STATUSES = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patiently failures are met: exponential backoff with jitter, bounded in number and in waiting.

    `max_wait_s` bounds the sum of all waiting for one request; a `Retry-After` beyond it ends the tries.
    """

    max_retries: int = 6
    first_wait_s: float = 0.25
    longest_wait_s: float = 10.0
    max_wait_s: float = 60.0

    def wait_s(self, tries: int, waited_s: float, wish_s: float | None) -> float | None:
        """Say how long to wait after failed try number `tries` (from 1), or None to give up."""
        if tries > self.max_retries:
            return None
        backoff = min(self.first_wait_s * 2 ** (tries - 1), self.longest_wait_s)
        wait = max(backoff * random.uniform(0.5, 1.0), wish_s or 0.0)
        return wait if waited_s + wait <= self.max_wait_s else None


def patiently(request: Request, policy: RetryPolicy) -> Call[Reply]:
    """Send a request, again after failures that may pass; answers any 2xx or 3xx reply.

    Raises:
        ApiError: the service refused.
        ServiceUnreachable: the network failed until the policy gave up.
    """
    return (yield from _patiently(request, policy, send))


def patient_stream(request: Request, policy: RetryPolicy) -> Call[Reply]:
    """Open a stream in the way of `patiently`."""
    return (yield from _patiently(request, policy, open_stream))


def _patiently(request: Request, policy: RetryPolicy, begin: Callable[[Request], Call[Reply]]) -> Call[Reply]:
    tries, waited_s = 0, 0.0
    while True:
        tries += 1
        error: ApiError | ServiceUnreachable
        try:
            reply = yield from begin(request)
        except TransportFailure as failure:
            error = ServiceUnreachable(failure.reason)
            again, wish_s = request.repeatable or not failure.arrived, None
        else:
            if reply.status < 400 or (tries > 1 and reply.status in request.fine_when_repeated):
                return reply
            error = ApiError.of(problem_of(reply))
            again, wish_s = _may_pass(request, error), error.retry_after
        wait_s = policy.wait_s(tries, waited_s, wish_s) if again else None
        if wait_s is None:
            raise error
        waited_s += wait_s
        yield from sleep(wait_s)


def _may_pass(request: Request, error: ApiError) -> bool:
    """Tell whether a refusal may be gone at the next try."""
    if error.status not in RETRIED_STATUSES or error.status in request.final_statuses:
        return False
    if not request.repeatable and error.status in {502, 504}:
        return False  # A proxy says this also when the service has done the work.
    return error.retryable
