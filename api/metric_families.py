"""Every metric that `/metrics` gives: its kind, its explanation, and samples that are there from the beginning."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.status import ItemStatus, Lane


@dataclass(frozen=True, slots=True)
class Family:
    """A metric; `zeros` are samples that count from the start of the service."""

    name: str
    kind: str
    help: str
    zeros: tuple[str, ...] = ()


PARTS = ("database", "broker", "storage")
OPEN = ("validating", "queued", "running", "canceling")


def _each(name: str, label: str, *values: str) -> tuple[str, ...]:
    return tuple(f'{name}{{{label}="{value}"}}' for value in values)


def _histogram(name: str) -> tuple[str, ...]:
    return (f'{name}_bucket{{le="+Inf"}}', f"{name}_sum", f"{name}_count")


_LANES = tuple(map(str, Lane))
FAMILIES = (
    Family(
        "inkqueue_backlog_items",
        "gauge",
        "Images waiting or in flight, by lane.",
        _each("inkqueue_backlog_items", "lane", *_LANES),
    ),
    Family(
        "inkqueue_chunks",
        "gauge",
        "Chunks that are open, by lane and state.",
        tuple(
            f'inkqueue_chunks{{lane="{at}",state="{state}"}}'
            for at in _LANES
            for state in ("pending", "leased")
        ),
    ),
    Family(
        "inkqueue_oldest_claimable_seconds",
        "gauge",
        "Age of the oldest chunk that a worker could claim now, by lane; 0 when none waits.",
        _each("inkqueue_oldest_claimable_seconds", "lane", *_LANES),
    ),
    Family("inkqueue_tickets", "gauge", "Tickets in Redis that nobody has taken, by lane."),
    Family(
        "inkqueue_jobs",
        "gauge",
        "Jobs that have not ended, by status.",
        _each("inkqueue_jobs", "status", *OPEN),
    ),
    Family("inkqueue_uploads", "gauge", "Uploads whose job is not made yet."),
    Family("inkqueue_webhooks_pending", "gauge", "Deliveries that have not arrived, up to 100,000."),
    Family(
        "inkqueue_workers",
        "gauge",
        "Processes that are alive, by role.",
        _each("inkqueue_workers", "role", "worker", "steward", "api"),
    ),
    Family(
        "inkqueue_items_total",
        "counter",
        "Items that ended, by how.",
        _each("inkqueue_items_total", "status", *map(str, ItemStatus)),
    ),
    Family(
        "inkqueue_batch_size",
        "histogram",
        "Images in a batch of the network.",
        _histogram("inkqueue_batch_size"),
    ),
    Family("inkqueue_stage_seconds", "histogram", "Time of a stage of the pipeline, a batch."),
    Family(
        "inkqueue_job_seconds",
        "histogram",
        "Time from a job's submission to its end.",
        _histogram("inkqueue_job_seconds"),
    ),
    Family("inkqueue_http_requests_total", "counter", "Requests that ended, by method, route and status."),
    Family(
        "inkqueue_http_request_seconds",
        "histogram",
        "Time of a request, by route; long polls and event streams are left out.",
    ),
    Family("inkqueue_http_requests_in_flight", "gauge", "Requests under way, by process."),
    Family(
        "inkqueue_webhook_attempts_total",
        "counter",
        "Attempts to deliver a webhook, by outcome.",
        _each("inkqueue_webhook_attempts_total", "outcome", "delivered", "failed"),
    ),
    Family(
        "inkqueue_leases_expired_total",
        "counter",
        "Chunks taken back from workers that fell silent.",
        ("inkqueue_leases_expired_total",),
    ),
    Family(
        "inkqueue_worker_children_lost_total",
        "counter",
        "Worker processes that died at work.",
        ("inkqueue_worker_children_lost_total",),
    ),
    Family(
        "inkqueue_storage_errors_total",
        "counter",
        "Times that the storage took or gave nothing, by kind.",
        _each("inkqueue_storage_errors_total", "kind", "full", "unavailable"),
    ),
    Family("inkqueue_duties_total", "counter", "Duties of the stewards, by duty and outcome."),
    Family(
        "inkqueue_duty_age_seconds",
        "gauge",
        "Time since any steward did a duty; silent stewards count for long.",
    ),
    Family(
        "inkqueue_part_ok",
        "gauge",
        "Whether a part answers this process: 1 or 0. Without the database nothing else is given.",
        _each("inkqueue_part_ok", "part", *PARTS),
    ),
    Family("inkqueue_storage_free_bytes", "gauge", "Room on the disk of a local storage folder."),
    Family("inkqueue_storage_size_bytes", "gauge", "Size of that disk."),
    Family("inkqueue_database_bytes", "gauge", "Size of the database."),
    Family("inkqueue_process_resident_bytes", "gauge", "Memory of a process."),
    Family("inkqueue_worker_chunks_held", "gauge", "Chunks that a worker holds."),
    Family(
        "inkqueue_worker_images_per_second", "gauge", "Images that a worker read in the last ten seconds."
    ),
    Family("inkqueue_db_connections", "gauge", "Database connections of a process, by state."),
    Family("inkqueue_db_connections_limit", "gauge", "Database connections that a process may hold."),
)
KNOWN = {family.name: family for family in FAMILIES}
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


def family_of(sample: str) -> str:
    """Return the metric that a sample belongs to: its name without labels and a histogram's suffix."""
    name = sample.split("{", 1)[0]
    base = _SUFFIX.sub("", name)
    return base if base in KNOWN else name
