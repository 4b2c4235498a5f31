"""What people say of items, as frozen dataclasses like `inkqueue.models`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict

from inkqueue.decoding import Shape

NoValue = Literal["blank", "not_a_digit", "crossed_out"]
"""Why an item has no value."""


class NewReview(TypedDict, total=False):
    """What a reviewer says of one item: `value` is a label of the model, or None with a `reason`."""

    seq: int
    value: str | None
    reason: NoValue


@dataclass(frozen=True, kw_only=True)
class ItemReview(Shape):
    """What one reviewer said of an item; an `admin`'s decides where reviewers disagree."""

    reviewer: str
    field: str | None = None
    value: str | None = None
    reason: str | None = None
    admin: bool = False
    reviewed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ReviewerProgress(Shape):
    """How far one reviewer has come: `done` and `left` count what needs review."""

    reviewer: str
    items: int = 0
    done: int = 0
    left: int = 0
    same_as_machine: int = 0
    last_reviewed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Agreement(Shape):
    """How often two reviewers gave the same value: in percent, and Cohen's kappa (beyond chance, at most 1)."""

    reviewers: tuple[str, ...]
    items: int = 0
    same: int = 0
    percent: float = 0.0
    kappa: float | None = None


@dataclass(frozen=True, kw_only=True)
class ReviewSummary(Shape):
    """How far the review of a job has come; `needed` counts what needs review, `reviewed` all that has one."""

    job_id: str = ""
    needed: int = 0
    done: int = 0
    left: int = 0
    reviewed: int = 0
    corrected: int = 0
    disagreed: int = 0
    reviewers: tuple[ReviewerProgress, ...] = ()
    agreement: tuple[Agreement, ...] = ()
