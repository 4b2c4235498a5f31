"""The tables, as SQLAlchemy sees them. Alembic alone changes the schema; a test holds both together."""

from __future__ import annotations

from shared.tables.base import metadata
from shared.tables.jobs import (
    job_transitions,
    jobs,
)
from shared.tables.people import (
    reviews,
    templates,
)
from shared.tables.tenants import (
    api_keys,
    quotas,
    sessions,
    tenants,
)
from shared.tables.uploads import (
    idempotency_keys,
    inputs,
    job_inputs,
    manifests,
    tombstones,
)
from shared.tables.webhooks import (
    webhook_deliveries,
    webhook_secrets,
)
from shared.tables.work import (
    chunks,
    items,
    metric_totals,
    workers,
)

__all__ = [
    "api_keys",
    "chunks",
    "idempotency_keys",
    "inputs",
    "items",
    "job_inputs",
    "job_transitions",
    "jobs",
    "manifests",
    "metadata",
    "metric_totals",
    "quotas",
    "reviews",
    "sessions",
    "templates",
    "tenants",
    "tombstones",
    "webhook_deliveries",
    "webhook_secrets",
    "workers",
]
