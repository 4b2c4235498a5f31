"""The options and filters that calls take, once for both clients, and how they travel."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, TypedDict


class SubmitOptions(TypedDict, total=False):
    """What a submission may say beside its files; what is left out is the service's default."""

    mode: Literal["classify", "digit", "number", "form"]
    """What is on an image: one object, one handwritten number, or a form."""
    model: str
    """`name` or `name@version` of the model package."""
    template: str
    """The form's template, with `mode="form"`."""
    target_error: float
    """The error rate, in (0, 1), that is accepted among accepted answers."""
    priority: Literal["low", "normal", "high"]
    webhook_url: str
    """The https address that is told of the job's events; see `inkqueue.webhooks.verify`."""
    webhook_events: Sequence[str]
    """`job.completed` (the default), `job.started`, `job.progress`, `job.reviewed`."""
    metadata: Mapping[str, str]
    """At most 16 texts, echoed back with the job."""
    deadline_s: int
    """Seconds after which what is not finished expires."""
    name: str
    """Shown to people, at most 200 characters."""


class PredictOptions(TypedDict, total=False):
    """What a single image may say beside its bytes."""

    mode: Literal["classify", "digit", "number", "form"]
    model: str
    template: str
    target_error: float


class ResultFilters(TypedDict, total=False):
    """Which items of a job are wanted; `max_confidence` is a probability in [0, 1]."""

    status: str
    decision: Literal["accept", "review"]
    reviewed: bool
    max_confidence: float
    prediction: str
    not_reviewed_by: str
    disagreed: bool


class ReviewFilters(TypedDict, total=False):
    """Which reviewed items are exported."""

    job_id: str
    since: datetime | str
    reviewer: str


class JobFilters(TypedDict, total=False):
    """Which jobs are wanted; `name` is the whole name, `search` a part of it, in capitals or not.

    `kind="predict"` lists single images sent to `predict`.
    """

    status: str
    name: str
    search: str
    created_after: datetime | str
    created_before: datetime | str
    kind: str


class DeliveryFilters(TypedDict, total=False):
    """Which deliveries of webhooks are wanted."""

    job_id: str
    status: Literal["pending", "delivered", "failed", "canceled"]


AnyOptions = SubmitOptions | PredictOptions | ResultFilters | JobFilters | DeliveryFilters | ReviewFilters


def pairs(options: AnyOptions) -> tuple[tuple[str, str], ...]:
    """Write options as text: objects as JSON, lists by repeating the key, None not at all."""
    return tuple(
        (name, _text(value))
        for name, values in options.items()
        for value in _values(values)
        if value is not None
    )


def _values(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else (value,)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return json.dumps(value)
    return str(value)
