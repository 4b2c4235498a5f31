"""How a refusal of the service becomes an exception: problem+json in, one class a code out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar


class InkqueueError(Exception):
    """Base of every error that this package raises on purpose.

    `hint` says in one sentence what can be done, or is empty.
    """

    hint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What an answer of status 4xx or 5xx says (RFC 9457).

    `retry_after` is the server's wish in seconds, `job_id` is set by `timeout` alone.
    """

    status: int
    code: str
    title: str
    detail: str
    errors: tuple[Mapping[str, str], ...] = ()
    request_id: str | None = None
    retryable: bool = False
    retry_after: float | None = None
    job_id: str | None = None
    raw: Mapping[str, object] = field(default_factory=dict, repr=False)


class ApiError(InkqueueError):
    """Base of every refusal of the service; used itself for codes that this version does not know."""

    code: str = ""
    _classes: ClassVar[dict[str, type[ApiError]]] = {}

    def __init__(self, problem: Problem) -> None:
        super().__init__(_sentence(problem))
        self.problem = problem
        self.status = problem.status
        self.code = problem.code
        self.title = problem.title
        self.detail = problem.detail
        self.errors: Sequence[Mapping[str, str]] = problem.errors
        self.request_id = problem.request_id
        self.retryable = problem.retryable
        self.retry_after = problem.retry_after
        self.job_id = problem.job_id

    def __init_subclass__(cls) -> None:
        if cls.code:
            ApiError._classes[cls.code] = cls

    def __reduce__(self) -> tuple[type[ApiError], tuple[Problem]]:
        return (type(self), (self.problem,))

    @staticmethod
    def of(problem: Problem) -> ApiError:
        """Make the exception of a problem's code, `ApiError` itself for an unknown one."""
        return ApiError._classes.get(problem.code, ApiError)(problem)

    @staticmethod
    def by_code() -> Mapping[str, type[ApiError]]:
        """Return every known problem code with its class."""
        return dict(ApiError._classes)


def _sentence(problem: Problem) -> str:
    """Say the problem in one line, its fields included."""
    text = problem.detail or problem.title
    told = [(error.get("loc", ""), error.get("msg", "")) for error in problem.errors]
    fields = "; ".join(f"{loc}: {msg}" for loc, msg in told if msg not in text)
    return f"{text} ({fields})" if fields else text
