"""The service's answers as frozen dataclasses; text that may take new values later stays `str`.

Every class keeps the JSON object it was made of in `raw`, fields unknown to this version included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from inkqueue.decoding import Shape
from inkqueue.review_models import ItemReview

TERMINAL = frozenset({"succeeded", "partially_succeeded", "failed", "canceled", "expired"})
"""The states after which a job does not change any more."""


@dataclass(frozen=True, kw_only=True)
class Counts(Shape):
    """How many items of a job are where; `total` is the sum of all but the last three."""

    total: int
    pending: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    canceled: int = 0
    expired: int = 0
    accepted: int = 0
    review: int = 0
    reviewed: int = 0

    @property
    def finished(self) -> int:
        """Return how many items are not pending any more."""
        return self.total - self.pending


@dataclass(frozen=True, kw_only=True)
class ModelRef(Shape):
    """Which model package a job is pinned to."""

    name: str
    version: str | None = None
    sha256: str | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name


@dataclass(frozen=True, kw_only=True)
class InputFile(Shape):
    """One uploaded file: its name, size in bytes and checksum."""

    name: str = ""
    bytes: int = 0
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class JobState(Shape):
    """A job as the service last told it; times are aware UTC, durations in seconds."""

    id: str
    status: str
    counts: Counts
    name: str | None = None
    mode: str = "classify"
    progress: float = 0.0
    eta_seconds: float | None = None
    queue_position: int | None = None
    attempt: int = 1
    parent_id: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    deadline_at: datetime | None = None
    results_expire_at: datetime | None = None
    inputs: tuple[InputFile, ...] = ()
    model: ModelRef | None = None
    template: str | None = None
    target_error: float | None = None
    priority: str = "normal"
    metadata: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Tell whether the job has reached its end, also in a state that this version does not know."""
        return self.status in TERMINAL or self.finished_at is not None


@dataclass(frozen=True, kw_only=True)
class ItemFailure(Shape):
    """Why an item failed."""

    code: str
    detail: str = ""
    retryable: bool = False


@dataclass(frozen=True, kw_only=True)
class Digit(Shape):
    """One digit of a number: `box` is x, y, width, height in pixels of the upload."""

    prediction: str | None = None
    confidence: float | None = None
    box: tuple[float, ...] = ()
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Field(Shape):
    """One field of a form, as read."""

    name: str
    value: str | None = None
    confidence: float | None = None
    decision: str | None = None
    reasons: tuple[str, ...] = ()
    valid: bool | None = None
    box: tuple[float, ...] = ()
    digits: tuple[Digit, ...] = ()
    final_value: str | None = None


@dataclass(frozen=True, kw_only=True)
class Item(Shape):
    """One item of a job: an image or a page, with what was read or why not.

    `probabilities` follow the model's labels; `final_value` is what the reviewers say, else `prediction`.
    """

    seq: int
    name: str
    status: str
    custom_id: str = ""
    page: int = 1
    prediction: str | None = None
    confidence: float | None = None
    probabilities: tuple[float, ...] | None = None
    alternatives: tuple[tuple[str, float], ...] | None = None
    decision: str | None = None
    reasons: tuple[str, ...] = ()
    reviews: tuple[ItemReview, ...] = ()
    final_value: str | None = None
    error: ItemFailure | None = None
    width: int | None = None
    height: int | None = None
    digits: tuple[Digit, ...] = ()
    fields: tuple[Field, ...] = ()

    @property
    def accepted(self) -> bool:
        """Tell whether the reading may be used without a look at the image."""
        return self.decision == "accept"


@dataclass(frozen=True, kw_only=True)
class Prediction(Shape):
    """What the service reads in one image sent to `predict`."""

    prediction: str | None
    confidence: float | None = None
    probabilities: tuple[float, ...] | None = None
    alternatives: tuple[tuple[str, float], ...] | None = None
    decision: str | None = None
    reasons: tuple[str, ...] = ()
    model: ModelRef | None = None
    job_id: str | None = None
    digits: tuple[Digit, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Skipped(Shape):
    """A file that a submission would leave out, and why."""

    name: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Refused(Shape):
    """A file that a submission would fail beforehand, and why."""

    name: str
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class DryRun(Shape):
    """What a submission would become; `total` counts items, skipped ones included."""

    total: int
    skipped: tuple[Skipped, ...] = ()
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Summary(Shape):
    """A job in figures; `raw` has the confidence histogram and the throughput over time too."""

    counts: Counts
    by_prediction: Mapping[str, int] = field(default_factory=dict)
    by_decision: Mapping[str, int] = field(default_factory=dict)
    by_reason: Mapping[str, int] = field(default_factory=dict)
    by_error: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelCard(Shape):
    """A model package that the service offers; `raw` is its whole card, metrics and thresholds included."""

    name: str
    version: str = ""
    labels: tuple[str, ...] = ()
    sha256: str | None = None
    description: str | None = None
    default: bool = False


@dataclass(frozen=True, kw_only=True)
class Worker(Shape):
    """A process that is alive; `lane` and `device` are None of one that reads no images, such as the steward."""

    id: str = ""
    role: str = "worker"
    lane: str | None = None
    device: str | None = None
    engine: str | None = None
    models: tuple[str, ...] = ()
    items: int = 0
    images_per_s: float | None = None
    started_at: datetime | None = None
    heartbeat_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Health(Shape):
    """Whether the service is ready, and each thing that it depends on."""

    status: str
    checks: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Tell whether the service can work."""
        return self.status == "ok"


@dataclass(frozen=True, kw_only=True)
class WebhookSecret(Shape):
    """The secret that signs webhooks, and until when the one before it signs too."""

    secret: str = field(repr=False)
    created_at: datetime | None = None
    previous_expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class WebhookAttempt(Shape):
    """One try of a delivery; without a `status_code` no answer came, and `error` says why."""

    at: datetime | None = None
    status_code: int | None = None
    duration_ms: int = 0
    response: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class WebhookDelivery(Shape):
    """One message to one address with its tries, the newest last."""

    id: str
    status: str
    event: str
    url: str = ""
    job_id: str | None = None
    reason: str | None = None
    attempt_count: int = 0
    attempts: tuple[WebhookAttempt, ...] = ()
    next_attempt_at: datetime | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None
