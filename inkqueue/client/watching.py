"""Following a job to its end: the event stream, resumed after breaks, else long polls."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic

from inkqueue.client.answers import problem_of
from inkqueue.client.events import EventParser
from inkqueue.client.operations import get_job, job_path
from inkqueue.client.retries import RetryPolicy
from inkqueue.client.wire import Emit, Operation, Request, TransportFailure, close, open_stream, read, sleep
from inkqueue.decoding import decode
from inkqueue.exceptions import ApiError, UnexpectedAnswer, WaitTimeout
from inkqueue.models import JobState

SILENCE_S = 40.0  # The service comments every 15 s: this long without a byte means a dead connection.
POLL_S = 3.0
BREATH_S = 0.2
STREAM_TRIES = 3


class Deadline:
    """A moment after which the caller does not want to wait any more, if there is one."""

    def __init__(self, job_id: str, timeout_s: float | None) -> None:
        self._job_id = job_id
        self._timeout_s = timeout_s
        self._until = None if timeout_s is None else monotonic() + timeout_s

    def left_s(self, at_most: float) -> float:
        """Return the time left, bounded from above.

        Raises:
            WaitTimeout: none is left.
        """
        if self._until is None:
            return at_most
        left = self._until - monotonic()
        if left <= 0:
            raise WaitTimeout(f"{self._job_id} did not end within {self._timeout_s:g} s.")
        return min(at_most, left)


def watch(policy: RetryPolicy, job_id: str, timeout_s: float | None = None) -> Operation[JobState, JobState]:
    """Emit a job's states as they change, return the last one.

    Raises:
        WaitTimeout: the job did not end within `timeout_s`.
        ServiceUnreachable: the service stayed away longer than the policy's `max_wait_s`.
        ApiError: the service refused, for instance because the job was deleted.
    """
    following = _Following(policy, job_id, Deadline(job_id, timeout_s))
    while True:
        if following.failed_streams < STREAM_TRIES:
            yield from following.stream()
        if following.failed_streams:
            yield from following.poll()
        if following.last is not None and following.last.done:
            return following.last


@dataclass(slots=True)
class _Following:
    """What is known of a job; `failed_streams` counts connections in a row that gave no event."""

    policy: RetryPolicy
    job_id: str
    deadline: Deadline
    parser: EventParser = field(default_factory=EventParser)
    last: JobState | None = None
    failed_streams: int = 0

    def stream(self) -> Operation[JobState, None]:
        """Emit the states of one connection."""
        self.failed_streams += 1
        with suppress(TransportFailure):  # The next round takes it up again.
            yield from self._connection()
        yield from close()
        if self.last is None or not self.last.done:
            yield from sleep(self.deadline.left_s(BREATH_S))

    def _connection(self) -> Operation[JobState, None]:
        headers = {"Accept": "text/event-stream"}
        if self.parser.last_id:
            headers["Last-Event-ID"] = self.parser.last_id
        patience_s = self.deadline.left_s(SILENCE_S)
        request = Request("GET", job_path(self.job_id, "events"), headers=headers, read_timeout_s=patience_s)
        reply = yield from open_stream(request)
        if not reply.ok:
            return _refuse_for_good(ApiError.of(problem_of(reply)))
        if not reply.headers.get("content-type", "").startswith("text/event-stream"):
            return None
        self.parser = EventParser(self.parser.last_id)
        while piece := (yield from read()):
            for event in self.parser.feed(piece):
                self.failed_streams = 0
                yield from self._tell(_state(event.data))
            if (self.last is not None and self.last.done) or self.deadline.left_s(SILENCE_S) < patience_s / 2:
                return None  # A fresh connection gets a shorter patience, so that the deadline is kept.
        return None

    def poll(self) -> Operation[JobState, None]:
        """Ask for the job, waiting a little for its end; an outage may last as long as the policy allows."""
        wait_s = self.deadline.left_s(POLL_S)
        patient = replace(
            self.policy,
            max_retries=self.policy.max_retries * 10,
            longest_wait_s=min(self.policy.longest_wait_s, POLL_S),
            max_wait_s=self.deadline.left_s(self.policy.max_wait_s),
        )
        state = yield from get_job(patient, self.job_id, wait_s=int(wait_s))
        yield from self._tell(state)
        if wait_s < 1 and not state.done:
            yield from sleep(min(wait_s, BREATH_S))

    def _tell(self, state: JobState) -> Operation[JobState, None]:
        self.last = state
        yield Emit(state)


def _refuse_for_good(error: ApiError) -> None:
    """Raise what no other way to ask would change."""
    if error.status in {401, 403, 404, 410}:
        raise error


def _state(data: str) -> JobState:
    try:
        return decode(JobState, json.loads(data))
    except ValueError as error:
        raise UnexpectedAnswer("An event of the job's stream is no JSON.") from error
