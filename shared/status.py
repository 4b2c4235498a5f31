"""The states of jobs, chunks, items and inputs, and which changes between them are allowed."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """The life of a job."""

    VALIDATING = "validating"  # It has no manifest yet: pages are being counted.
    QUEUED = "queued"  # Every item is known; no worker has started.
    RUNNING = "running"  # A worker has started on it.
    CANCELING = "canceling"  # It was stopped; the items that were left are being written.
    SUCCEEDED = "succeeded"  # No item failed.
    PARTIALLY_SUCCEEDED = "partially_succeeded"  # Some items failed, some did not.
    FAILED = "failed"  # No item succeeded.
    CANCELED = "canceled"  # At least one item was canceled.
    EXPIRED = "expired"  # At least one item was not reached before the deadline.


class ChunkState(StrEnum):
    """The life of a chunk, the unit of work."""

    PENDING = "pending"  # Nobody works on it.
    LEASED = "leased"  # A worker holds it until its lease ends.
    DONE = "done"  # Its items are written.
    STOPPED = (
        "stopped"  # Fenced out by a cancel or a deadline; its items are written by whoever stops the job.
    )


class ItemStatus(StrEnum):
    """How an item ended; an item without a row is pending."""

    SUCCEEDED = "succeeded"  # The model answered.
    FAILED = "failed"  # It could not be read; `error` says why.
    SKIPPED = "skipped"  # Not an image by its name; nobody tried.
    CANCELED = "canceled"  # The job was canceled first.
    EXPIRED = "expired"  # The deadline came first.


class InputState(StrEnum):
    """The life of an uploaded file."""

    RECEIVING = "receiving"  # Bytes are arriving.
    ATTACHED = "attached"  # A job refers to it.
    COLLECTING = "collecting"  # Nobody needs it; its object is being removed.


class StopReason(StrEnum):
    """Why a job was stopped before its end."""

    CANCEL = "cancel"
    DEADLINE = "deadline"


class Lane(StrEnum):
    """A Celery queue."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class Decision(StrEnum):
    """Whether a reading may be used as it is."""

    ACCEPT = "accept"
    REVIEW = "review"


TERMINAL: frozenset[JobStatus] = frozenset(
    {
        JobStatus.SUCCEEDED,
        JobStatus.PARTIALLY_SUCCEEDED,
        JobStatus.FAILED,
        JobStatus.CANCELED,
        JobStatus.EXPIRED,
    }
)

_ENDS = frozenset({JobStatus.SUCCEEDED, JobStatus.PARTIALLY_SUCCEEDED, JobStatus.FAILED})
_STOPS = frozenset({JobStatus.CANCELING, JobStatus.CANCELED, JobStatus.EXPIRED})

TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.VALIDATING: frozenset({JobStatus.QUEUED, JobStatus.RUNNING}) | _ENDS | _STOPS,
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING}) | _ENDS | _STOPS,
    JobStatus.RUNNING: _ENDS | _STOPS,
    JobStatus.CANCELING: frozenset({JobStatus.CANCELED, JobStatus.EXPIRED}) | _ENDS,
    **{end: frozenset() for end in TERMINAL},
}
"""From each job state, the states that may follow; the database refuses every other change."""


def terminal_status(*, succeeded: int, failed: int, canceled: int, expired: int) -> JobStatus:
    """Decide how a job ended from the counts of its items, in the order that the contract gives."""
    if canceled:
        return JobStatus.CANCELED
    if expired:
        return JobStatus.EXPIRED
    if not failed:
        return JobStatus.SUCCEEDED
    return JobStatus.PARTIALLY_SUCCEEDED if succeeded else JobStatus.FAILED
