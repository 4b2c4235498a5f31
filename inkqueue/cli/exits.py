"""The exit codes, for scripts."""

from __future__ import annotations

from enum import IntEnum

from inkqueue.models import JobState


class Exit(IntEnum):
    """What an exit code means; the numbers are a promise."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    REFUSED = 3
    NOT_FOUND = 4
    UNAVAILABLE = 5
    NOT_ALL_SUCCEEDED = 6
    STOPPED = 7
    NOT_FINISHED = 8
    INTERRUPTED = 130


MEANINGS = {
    Exit.OK: "everything went well",
    Exit.UNEXPECTED: "something unexpected went wrong",
    Exit.USAGE: "wrong usage, or a file that cannot be read",
    Exit.REFUSED: "the service refused (the message says why)",
    Exit.NOT_FOUND: "no such job, or its results have expired",
    Exit.UNAVAILABLE: "the service cannot be reached or cannot work now",
    Exit.NOT_ALL_SUCCEEDED: "the job ended and not all items succeeded",
    Exit.STOPPED: "the job was canceled or its deadline passed",
    Exit.NOT_FINISHED: "the job has not ended yet",
    Exit.INTERRUPTED: "Ctrl-C; the job, if there is one, goes on",
}


def exit_of_job(state: JobState) -> Exit:
    """Say how a job ended."""
    if not state.done:
        return Exit.NOT_FINISHED
    if state.status == "succeeded":
        return Exit.OK
    return Exit.STOPPED if state.status in {"canceled", "expired"} else Exit.NOT_ALL_SUCCEEDED


def exit_of_error(error: Exception) -> Exit:
    """Say what an error means for a script."""
    from inkqueue.exceptions import ApiError, ServiceUnreachable, SourceError, WaitTimeout

    match error:
        case WaitTimeout():
            return Exit.NOT_FINISHED
        case ServiceUnreachable():
            return Exit.UNAVAILABLE
        case ApiError():
            return _exit_of_status(error.status)
        case SourceError() | OSError():
            return Exit.USAGE
        case _:
            return Exit.UNEXPECTED


def _exit_of_status(status: int) -> Exit:
    if status in {404, 410}:
        return Exit.NOT_FOUND
    return Exit.UNAVAILABLE if status == 429 or status >= 500 else Exit.REFUSED
