"""The shapes that travel between the rooms: what is submitted, what is claimed, what is written back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict
from uuid import UUID

from shared.status import Decision, ItemStatus, Lane

Blob = bytes  # a name for the type where a field is called `bytes`
PRIORITIES = {"high": 0, "normal": 1, "low": 2}


@dataclass(frozen=True, slots=True)
class NewInput:
    """One uploaded file of a submission.

    `id` is None for one whose bytes stay in the database (`inline`); else it is the row that has been `receiving`.
    """

    name: str
    content_type: str | None
    bytes: int
    sha256: str
    id: UUID | None = None
    inline: Blob | None = None


@dataclass(frozen=True, slots=True)
class NewManifest:
    """A manifest, kept in the row when small, else under `storage_key`.

    `state` is `inputs` while pages have still to be counted, `items` when every item is known.
    """

    state: str
    total: int
    inline: bytes | None = None
    storage_key: str | None = None


@dataclass(frozen=True, slots=True)
class NewJob:
    """Everything that one job row is made of."""

    inputs: Sequence[NewInput]
    manifest: NewManifest
    chunks: Sequence[tuple[int, int]]
    lane: Lane
    model_name: str
    model_version: str | None = None
    model_sha256: str | None = None
    tenant: str = "default"
    kind: str = "job"
    name: str | None = None
    mode: str = "classify"
    template: str | None = None
    target_error: float | None = None
    priority: int = 1
    deadline_s: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    webhook: dict[str, object] | None = None
    traceparent: str | None = None
    request_id: str | None = None
    attempt: int = 1
    parent_id: UUID | None = None
    shared_inputs: Sequence[UUID] = ()  # a retry refers to its parent's inputs instead of bringing its own
    idempotency_key: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A chunk that this worker holds: `(id, attempt, token)` is the fence.

    `losses` counts workers that were lost with it, for whatever reason; `crashes` those that somebody saw die of its
    one item.
    """

    id: int
    job_id: UUID
    kind: str
    first_seq: int
    end_seq: int
    attempt: int
    token: UUID
    crashes: int
    failures: int = 0
    losses: int = 0

    @property
    def alone(self) -> bool:
        """Tell whether a worker was lost with it, so that it must be worked on item by item."""
        return self.losses > 0

    @property
    def apart(self) -> bool:
        """Tell whether its one item was in hand, by itself, when a worker was lost: a process of its own reads it."""
        return self.losses > 1 and self.end_seq - self.first_seq == 1


@dataclass(frozen=True, slots=True)
class InputRef:
    """Where the bytes of one input of a job are: in its row (`inline`) or under `storage_key`."""

    id: UUID
    name: str
    bytes: int
    storage_key: str | None
    inline: Blob | None = None


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a worker must know of a job; nothing of it changes once the model is pinned."""

    id: UUID
    tenant: str
    kind: str
    mode: str
    total: int
    model_name: str
    model_version: str | None
    engine_class: str | None
    target_error: float | None
    manifest_state: str
    manifest_inline: bytes | None
    manifest_key: str | None
    inputs: tuple[InputRef, ...]
    traceparent: str | None
    request_id: str | None
    status: str


class ErrorInfo(TypedDict):
    """Why an item failed, as clients see it."""

    code: str
    detail: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One finished item, as it goes into the table.

    `probabilities` follow the public labels of the model; `page` counts from 1.
    """

    seq: int
    status: ItemStatus
    name: str
    custom_id: str | None
    page: int
    prediction: str | None = None
    confidence: float | None = None
    probabilities: Sequence[float] | None = None
    alternatives: str | None = None  # JSON text
    decision: Decision | None = None
    reasons: Sequence[str] | None = None
    error_code: str | None = None
    error_detail: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A chunk and the rows of its items, complete and in order, ready to be committed."""

    claim: Claim
    rows: Sequence[ItemRow]
    model_version: str | None
    model_sha256: str | None
    engine_class: str | None
    preparation: str | None


@dataclass(frozen=True, slots=True)
class JobEnd:
    """What a commit did to a job; `seconds` from its submission to its end, once it has ended."""

    job_id: UUID
    status: str
    version: int
    terminal: bool
    seconds: float | None = None


class WorkerInfo(TypedDict):
    """One process as it shows itself in the `workers` table."""

    id: str
    host: str
    pid: int
    role: str
    lane: NotRequired[str | None]
    device: NotRequired[str | None]
    engine: NotRequired[str | None]
    models: NotRequired[list[str]]
