"""Jobs and the transitions that their states allow."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.tables.base import AT, NOW, UUID7, count, metadata, one_of

job_transitions = sa.Table(
    "job_transitions",
    metadata,
    sa.Column("from_status", sa.Text, primary_key=True),
    sa.Column("to_status", sa.Text, primary_key=True),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=UUID7),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False, server_default="default"),
    sa.Column("kind", sa.Text, nullable=False, server_default="job"),
    sa.Column("name", sa.Text),
    sa.Column("mode", sa.Text, nullable=False, server_default="classify"),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("stop_reason", sa.Text),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("model_name", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text),
    sa.Column("model_sha256", sa.Text),
    sa.Column("engine_class", sa.Text),
    sa.Column("preparation", sa.Text),
    sa.Column("template", sa.Text),
    sa.Column("target_error", sa.Double),
    count("total"),
    count("succeeded"),
    count("failed"),
    count("skipped"),
    count("canceled"),
    count("expired"),
    count("accepted"),
    count("review"),
    count("reviewed"),
    count("review_done"),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="1"),
    sa.Column("parent_id", pg.UUID),
    sa.Column("metadata", pg.JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    sa.Column("webhook", pg.JSONB),
    sa.Column("error", pg.JSONB),
    sa.Column("traceparent", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("created_at", AT, nullable=False, server_default=NOW),
    sa.Column("started_at", AT),
    sa.Column("finished_at", AT),
    sa.Column("deadline_at", AT),
    sa.Column("results_expire_at", AT),
    sa.Column("deleted_at", AT),
    sa.Column("purged_at", AT),
    one_of("kind", "job", "predict"),
    one_of("mode", "classify", "number", "form"),
    one_of(
        "status",
        "validating",
        "queued",
        "running",
        "canceling",
        "succeeded",
        "partially_succeeded",
        "failed",
        "canceled",
        "expired",
    ),
    one_of("stop_reason", "cancel", "deadline"),
    one_of("lane", "interactive", "bulk"),
    sa.CheckConstraint("priority BETWEEN 0 AND 2", name="priority_known"),
    sa.CheckConstraint("accepted + review = succeeded", name="decisions_add_up"),
    sa.CheckConstraint(
        "least(total, succeeded, failed, skipped, canceled, expired, accepted, review, reviewed) >= 0"
        " AND succeeded + failed + skipped + canceled + expired <= total",
        name="counts_add_up",
    ),
    sa.CheckConstraint(
        "status IN ('validating', 'queued', 'running', 'canceling')"
        " OR (finished_at IS NOT NULL AND succeeded + failed + skipped + canceled + expired = total)",
        name="terminal_is_complete",
    ),
    sa.CheckConstraint(
        "status IN ('validating', 'queued', 'running', 'canceling')"
        " OR status = CASE WHEN canceled > 0 THEN 'canceled' WHEN expired > 0 THEN 'expired'"
        " WHEN failed = 0 THEN 'succeeded' WHEN succeeded > 0 THEN 'partially_succeeded' ELSE 'failed' END",
        name="end_follows_counts",
    ),
    sa.CheckConstraint(
        "finished_at IS NULL OR status NOT IN ('validating', 'queued', 'running', 'canceling')",
        name="open_is_unfinished",
    ),
    sa.Index("jobs_listed", "tenant", "kind", "id", postgresql_where=sa.text("deleted_at IS NULL")),
    sa.Index(
        "jobs_open",
        "id",
        postgresql_where=sa.text("status IN ('validating', 'queued', 'running', 'canceling')"),
    ),
    sa.Index(
        "jobs_open_tenant",
        "tenant",
        postgresql_where=sa.text("status IN ('validating', 'queued', 'running', 'canceling')"),
    ),
    sa.Index(
        "jobs_deadline",
        "deadline_at",
        postgresql_where=sa.text("deadline_at IS NOT NULL AND status IN ('validating', 'queued', 'running')"),
    ),
    sa.Index("jobs_stale", "results_expire_at", postgresql_where=sa.text("purged_at IS NULL")),
    sa.Index("jobs_deleted", "deleted_at", postgresql_where=sa.text("deleted_at IS NOT NULL")),
    sa.Index("jobs_finished", "finished_at", postgresql_where=sa.text("finished_at IS NOT NULL")),
    postgresql_with={"fillfactor": "70"},
)
