"""The root of all errors, which knows codes and words and nothing of HTTP."""

from __future__ import annotations

from typing import TypedDict


class FieldError(TypedDict):
    """One field of a request that is wrong: where it stands and what is wrong with it."""

    loc: str
    msg: str


class InkqueueError(Exception):
    """Base of every error that a user may see."""

    code = "internal"
    title = "Internal error"
    default = "Something went wrong on our side. The request id helps us to find out what."
    retryable = False
    retry_after_s = 1

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.default
        super().__init__(self.detail)


class Internal(InkqueueError):
    """A defect of the service itself."""
