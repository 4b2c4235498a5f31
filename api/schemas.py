"""The documents of the contract, for the OpenAPI page; the answers themselves are made in `api.render`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.status import JobStatus


class Schema(BaseModel):
    """Base of all documents; clients ignore what they do not know."""

    model_config = ConfigDict(extra="allow")


class FieldProblem(Schema):
    """One field of a request that is wrong."""

    loc: str = Field(examples=["query.limit"])
    msg: str = Field(examples=["Input should be less than or equal to 1000"])


class Problem(Schema):
    """RFC 9457 problem document; every 4xx and 5xx answer has this shape."""

    type: str = Field(
        examples=["/docs/errors#invalid_request"],
        description="Where the code is explained, relative to the service.",
    )
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(description="Stable; what programs look at.", examples=["invalid_request"])
    request_id: str
    retryable: bool
    errors: list[FieldProblem] = []


class Counts(Schema):
    """Items by how they ended; `total` is always the sum of `pending` to `expired`."""

    total: int
    pending: int
    succeeded: int
    failed: int
    skipped: int
    canceled: int
    expired: int
    accepted: int
    review: int
    reviewed: int


class JobInput(Schema):
    """An uploaded file."""

    name: str
    bytes: int
    sha256: str


class JobModel(Schema):
    """The model of a job; version and sha256 are pinned when work begins."""

    name: str
    version: str | None
    sha256: str | None


class Links(Schema):
    """Where to go on."""

    self: str
    results: str
    summary: str
    events: str
    cancel: str
    retry: str
    page: str


class ItemProblem(Schema):
    """Why an item failed."""

    code: str = Field(examples=["undecodable_image"])
    detail: str
    retryable: bool


class ReviewOfItem(Schema):
    """What one reviewer says of an item."""

    reviewer: str
    field: str | None
    value: str | None
    reason: Literal["blank", "not_a_digit", "crossed_out"] | None
    admin: bool = Field(
        description="Given with scope `admin`: the latest such decides where reviewers disagree."
    )
    reviewed_at: datetime


class Item(Schema):
    """One image or page and what was read."""

    seq: int
    custom_id: str
    name: str
    page: int
    status: Literal["succeeded", "failed", "skipped", "canceled", "expired"]
    prediction: str | None
    confidence: float | None = Field(description="Calibrated probability of being right.")
    probabilities: list[float] | None = Field(None, description="By the card's labels.")
    alternatives: list[tuple[str, float]] | None = Field(
        None, description="With more than 20 labels: the top five."
    )
    decision: Literal["accept", "review"] | None
    reasons: list[str]
    reviews: list[ReviewOfItem]
    final_value: str | None = Field(
        description="The reviewers' value where they agree, else the latest of an admin, else the prediction."
    )
    error: ItemProblem | None
    width: int | None
    height: int | None


class Job(Schema):
    """A job as it is now."""

    id: str
    object: Literal["job"]
    name: str | None
    status: JobStatus
    mode: str
    counts: Counts
    progress: float
    eta_seconds: float | None
    queue_position: int
    attempt: int
    parent_id: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    results_expire_at: datetime | None
    inputs: list[JobInput]
    model: JobModel
    template: str | None
    target_error: float | None
    priority: Literal["low", "normal", "high"]
    webhook: dict[str, Any] | None
    metadata: dict[str, str]
    error: dict[str, Any] | None
    links: Links
    results: list[Item] | None = Field(
        None, description="Only in answers to `Prefer: wait`, up to 100 items."
    )


class JobList(Schema):
    """A page of jobs."""

    items: list[Job]
    next_cursor: str | None


class SkippedFile(Schema):
    """A member that would be skipped."""

    name: str
    reason: str


class RefusedFile(Schema):
    """A file that would fail without being read."""

    name: str
    code: str
    detail: str


class Rehearsal(Schema):
    """What a submission would be."""

    total: int
    skipped: list[SkippedFile]
    refused: list[RefusedFile]


class Results(Schema):
    """A page of results."""

    items: list[Item]
    next_after_seq: int | None = Field(
        description="`after_seq` of the next page; null exactly when `complete`."
    )
    complete: bool


class Bar(Schema):
    """One bar of the confidence histogram."""

    low: float
    high: float
    count: int


class PaceBar(Schema):
    """Items that were taken up in one stretch of time after the start."""

    at: float
    seconds: float
    items: int


class Throughput(Schema):
    """How fast the job went."""

    items_per_second: float | None
    over_time: list[PaceBar]


class JobSummary(Schema):
    """What a job comes to."""

    job_id: str
    counts: Counts
    by_prediction: dict[str, int]
    by_decision: dict[str, int]
    by_reason: dict[str, int]
    by_error: dict[str, int]
    confidence: list[Bar]
    throughput: Throughput


class Prediction(Schema):
    """One image, read now."""

    prediction: str | None
    confidence: float | None
    probabilities: list[float] | None = None
    alternatives: list[tuple[str, float]] | None = None
    decision: Literal["accept", "review"]
    reasons: list[str]
    model: JobModel
    job_id: str


class Model(Schema):
    """The card of a model package."""

    name: str
    version: str
    sha256: str
    labels: list[str]
    default: bool
    input: dict[str, Any]
    metrics: list[dict[str, Any]]
    thresholds: list[dict[str, Any]]
    workers: int | None


class BrokenModel(Schema):
    """A directory among the packages that holds none, and why."""

    package: str
    reason: str


class ModelList(Schema):
    """Every installed model package."""

    items: list[Model]
    broken: list[BrokenModel]


class Worker(Schema):
    """A process that is alive."""

    id: str
    role: str
    alive: bool
    lane: str | None
    device: str | None
    engine: str | None
    models: list[str]
    items: int
    images_per_s: float
    started_at: datetime
    heartbeat_at: datetime


class WorkerList(Schema):
    """The processes that are alive."""

    items: list[Worker]


class TemplateList(Schema):
    """The templates of this tenant."""

    items: list[dict[str, Any]]


class Health(Schema):
    """Whether the service can read images."""

    status: str
    model_loaded: bool


class Alive(Schema):
    """The process lives."""

    status: Literal["ok"]


class Ready(Schema):
    """Whether work can be done, and which part fails if not."""

    status: str | int
    checks: dict[str, str] | None = None
