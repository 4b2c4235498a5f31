"""The document of a job, as answers, event streams and webhooks show it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from shared.catalogue import Catalogue
from shared.contracts import PRIORITIES
from shared.ids import job_id_text
from shared.jobs.read import JobView

JOB_COMPLETED = "job.completed"
_PRIORITY_NAMES = {number: name for name, number in PRIORITIES.items()}


def time_text(at: datetime | None) -> str | None:
    """Return a time as RFC 3339 in UTC with `Z`."""
    return (
        None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    )


def job_document(job: JobView, catalogue: Catalogue) -> dict[str, Any]:
    """Return a job as clients see it."""
    package = catalogue.find(job.model_name, job.model_version)
    default_target = package.default_target_error if package else None
    job_id = job_id_text(job.id)
    path = f"/v1/jobs/{job_id}"
    return {
        "id": job_id,
        "object": "job",
        "name": job.name,
        "status": job.status,
        "mode": job.mode,
        "counts": {
            "total": job.total,
            "pending": job.total - job.done,
            "succeeded": job.succeeded,
            "failed": job.failed,
            "skipped": job.skipped,
            "canceled": job.canceled,
            "expired": job.expired,
            "accepted": job.accepted,
            "review": job.review,
            "reviewed": job.reviewed,
        },
        "progress": progress(job),
        "eta_seconds": eta_seconds(job),
        "queue_position": job.queue_position,
        "attempt": job.attempt,
        "parent_id": None if job.parent_id is None else job_id_text(job.parent_id),
        "created_at": time_text(job.created_at),
        "started_at": time_text(job.started_at),
        "finished_at": time_text(job.finished_at),
        "deadline_at": time_text(job.deadline_at),
        "results_expire_at": time_text(job.results_expire_at),
        "inputs": job.inputs,
        "model": {
            "name": job.model_name,
            "version": job.model_version or (package.version if package else None),
            "sha256": job.model_sha256 or (package.sha256 if package else None),
        },
        "template": job.template,
        "target_error": job.target_error if job.target_error is not None else default_target,
        "priority": _PRIORITY_NAMES[job.priority],
        "webhook": webhook_shown(job.webhook),
        "metadata": job.metadata,
        "error": job.error,
        "links": {
            "self": path,
            **{name: f"{path}/{name}" for name in ("results", "summary", "events", "cancel", "retry")},
            "page": f"/jobs/{job_id}",
        },
    }


def progress(job: JobView) -> float:
    """Return the share of items that have ended; 1 only when all have."""
    if job.total == 0 or job.terminal:
        return 1.0 if job.terminal else 0.0
    return math.floor(job.done / job.total * 1000) / 1000


def eta_seconds(job: JobView) -> float | None:
    """Return the seconds that are left at the pace so far; None before there is a pace."""
    if job.terminal:
        return 0.0
    if job.started_at is None or job.done == 0:
        return None
    elapsed = (job.now - job.started_at).total_seconds()
    return round(max(0.0, elapsed / job.done * (job.total - job.done)), 1)


def webhook_shown(webhook: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return address and events of a job's webhook, and nothing else that its row may hold."""
    if webhook is None:
        return None
    return {"url": webhook["url"], "events": webhook.get("events") or [JOB_COMPLETED]}
