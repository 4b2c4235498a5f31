"""The documents of reviews, for the OpenAPI page."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.schemas import Item, Schema


class ReviewedItems(Schema):
    """The items that were reviewed, in the order given."""

    items: list[Item]


class ReviewerSummary(Schema):
    """How far one reviewer has come."""

    reviewer: str
    items: int
    done: int = Field(description="Items that need review and have this reviewer's.")
    left: int
    same_as_machine: int
    last_reviewed_at: datetime


class Agreement(Schema):
    """How often two reviewers gave the same value to the same item."""

    reviewers: tuple[str, str]
    items: int
    same: int
    percent: float
    kappa: float | None = Field(description="Cohen's kappa; null where chance alone would agree always.")


class ReviewSummary(Schema):
    """What the reviews of a job come to; no answer is shown, so that a further reviewer stays unbiased."""

    job_id: str
    needed: int = Field(description="Items whose decision is `review`.")
    done: int = Field(description="Those of them that have a review.")
    left: int
    reviewed: int = Field(description="All items that have a review.")
    corrected: int = Field(description="Items whose final value differs from the prediction.")
    disagreed: int = Field(description="Items whose reviewers disagree and that no admin has decided.")
    reviewers: list[ReviewerSummary]
    agreement: list[Agreement]
