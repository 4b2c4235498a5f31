"""Turn rows into the documents of the contract."""

from __future__ import annotations

from typing import Any

from shared.catalogue import Catalogue
from shared.documents import job_document
from shared.errors import ITEM_ERRORS
from shared.ids import job_id_text
from shared.jobs.read import JobView
from shared.jobs.results import ItemView
from shared.jobs.summary import Summary

MANY_LABELS = 20


def etag(job: JobView) -> str:
    """Return the weak entity tag of a job: its version."""
    return f'W/"{job.version}"'


def item_document(item: ItemView) -> dict[str, Any]:
    """Return an item of mode `classify` as clients see it."""
    document: dict[str, Any] = {
        "seq": item.seq,
        "custom_id": item.custom_id if item.custom_id is not None else item.name,
        "name": item.name,
        "page": item.page,
        "status": item.status,
        "prediction": item.prediction,
        "confidence": item.confidence,
    }
    if item.alternatives is not None:
        document["alternatives"] = item.alternatives
    else:
        document["probabilities"] = item.probabilities
    return document | {
        "decision": item.decision,
        "reasons": item.all_reasons,
        "reviews": item.reviews or [],
        "final_value": item.final_value,
        "error": item_error(item),
        "width": item.width,
        "height": item.height,
    }


def item_error(item: ItemView) -> dict[str, Any] | None:
    """Return why an item failed."""
    if item.error_code is None:
        return None
    kind = ITEM_ERRORS.get(item.error_code)
    return {
        "code": item.error_code,
        "detail": item.error_detail or (kind.default if kind else ""),
        "retryable": kind.retryable if kind else False,
    }


def summary_document(job: JobView, summary: Summary, catalogue: Catalogue) -> dict[str, Any]:
    """Return a job's summary as clients see it."""
    seconds = None
    if job.started_at is not None:
        seconds = ((job.finished_at or job.now) - job.started_at).total_seconds()
        if seconds < 0.001:  # one chunk: it was marked as started when it was written
            seconds = ((job.finished_at or job.now) - job.created_at).total_seconds()
    return {
        "job_id": job_id_text(job.id),
        "counts": job_document(job, catalogue)["counts"],
        "by_prediction": summary["by_prediction"],
        "by_decision": summary["by_decision"],
        "by_reason": summary["by_reason"],
        "by_error": summary["by_error"],
        "confidence": summary["confidence"],
        "throughput": {
            "items_per_second": round(job.done / seconds, 3) if seconds else None,
            "over_time": summary["throughput"],
        },
    }
