"""The documents of webhooks, for the OpenAPI page, and how deliveries and secrets become such documents."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Schema
from shared.documents import time_text
from shared.ids import delivery_id_text, job_id_text
from shared.webhooks.log import DeliveryView
from shared.webhooks.secrets import Secret

DeliveryStatus = Literal["pending", "delivered", "failed", "canceled"]


class WebhookSecret(Schema):
    """The secret that signs; for the `standardwebhooks` libraries as it is."""

    secret: str = Field(description="`whsec_` and base64.", pattern="^whsec_[A-Za-z0-9+/=]+$")
    created_at: datetime
    previous_expires_at: datetime | None = Field(
        description="Until then the secret before it signs too; null when there is none."
    )


class Attempt(Schema):
    """One try."""

    at: datetime
    status_code: int | None = Field(description="Null when no answer came.")
    duration_ms: int
    response: str | None = Field(description="The first 1 kB of the answer.")
    error: str | None = Field(description="Null when it was delivered.")


class Delivery(Schema):
    """One message to one address, with its tries, the newest 50 of them."""

    id: str = Field(
        description="Also the `webhook-id` of every try.", examples=["whd_0198f6c2a1b47c3e8d9f0a1b2c3d4e5f"]
    )
    object: Literal["webhook_delivery"]
    job_id: str | None = Field(description="Null for a test.")
    event: str = Field(examples=["job.completed"])
    url: str
    status: DeliveryStatus
    reason: str | None = Field(
        description="Why it failed or was canceled: `exhausted`, `gone`, `superseded`, `job_deleted`, `job_gone`, "
        "`body_broken`."
    )
    attempt_count: int
    attempts: list[Attempt]
    next_attempt_at: datetime | None = Field(description="Null while a try is under way and after the last.")
    created_at: datetime
    finished_at: datetime | None


class DeliveryList(Schema):
    """A page of deliveries, newest first."""

    items: list[Delivery]
    next_cursor: str | None


class TestWanted(BaseModel):
    """Where a test is to go."""

    __test__ = False  # pytest takes the name for one of its own
    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(
        min_length=1,
        max_length=2048,
        description="Checked as `webhook_url` is.",
        examples=["https://example.org/hook"],
        json_schema_extra={"format": "uri"},
    )


def secret_document(secret: Secret) -> dict[str, Any]:
    """Return a secret as an admin sees it."""
    return {
        "secret": secret.secret,
        "created_at": time_text(secret.created_at),
        "previous_expires_at": time_text(secret.previous_expires_at),
    }


def delivery_document(delivery: DeliveryView) -> dict[str, Any]:
    """Return a delivery as its tenant sees it."""
    return {
        "id": delivery_id_text(delivery.id),
        "object": "webhook_delivery",
        "job_id": None if delivery.job_id is None else job_id_text(delivery.job_id),
        "event": delivery.event,
        "url": delivery.url,
        "status": delivery.state,
        "reason": delivery.reason,
        "attempt_count": delivery.attempt_count,
        "attempts": delivery.attempts,
        "next_attempt_at": time_text(delivery.next_attempt_at),
        "created_at": time_text(delivery.created_at),
        "finished_at": time_text(delivery.finished_at),
    }
