"""What the service cannot do now, or at all."""

from __future__ import annotations

from shared.errors.base import InkqueueError


class RateLimited(InkqueueError):
    """The caller is too fast."""

    code = "rate_limited"
    title = "Rate limited"
    default = "Too many requests. Please slow down."
    retryable = True


class QueueFull(InkqueueError):
    """The queue takes no more at the moment."""

    code = "queue_full"
    title = "Queue full"
    default = "The queue is full at the moment. Please try again shortly."
    retryable = True


class Unavailable(InkqueueError):
    """A part of the service is down."""

    code = "unavailable"
    title = "Unavailable"
    default = "The service cannot do this at the moment. Please try again shortly."
    retryable = True


class TimedOut(InkqueueError):
    """The answer did not come in time; `job_id` names the job that goes on, if there is one."""

    code = "timeout"
    title = "Timeout"
    default = "The answer did not come in time."
    retryable = True

    def __init__(self, detail: str | None = None, job_id: str | None = None) -> None:
        super().__init__(detail)
        self.job_id = job_id


class StorageFull(InkqueueError):
    """No room is left for the upload."""

    code = "storage_full"
    title = "Storage full"
    default = "The service has no room left to store this upload. Nothing was kept."
    retryable = True


class ModelCorrupt(InkqueueError):
    """A model package differs from its checksums; a worker refuses to serve it."""

    default = "The model package differs from its checksums. Install it again."


class ConflictingState(InkqueueError):
    """A state change that the transition table does not know."""

    default = "The job cannot go from its present state to that one."
