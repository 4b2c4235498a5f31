"""Webhooks on their way, and the secrets that sign them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.tables.base import AT, NOW, UUID7, count, metadata, one_of

webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=UUID7),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("job_id", pg.UUID),
    sa.Column("kind", sa.Text, nullable=False, server_default="job"),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column(
        "host",
        sa.Text,
        sa.Computed(
            "CASE kind WHEN 'test' THEN 'test ' ELSE '' END"
            " || coalesce(lower(\"substring\"(url, '^[^:]+://[^/?#]*')), '')",
            persisted=True,
        ),
        nullable=False,
    ),
    sa.Column("snapshot", pg.JSONB),
    sa.Column("body", sa.Text),
    sa.Column("state", sa.Text, nullable=False, server_default="pending"),
    sa.Column("reason", sa.Text),
    sa.Column("attempts", pg.JSONB, nullable=False, server_default=sa.text("'[]'::jsonb")),
    count("attempt_count"),
    count("step"),
    sa.Column("token", pg.UUID),
    sa.Column("worker", sa.Text),
    sa.Column("claimed_at", AT),
    sa.Column("next_attempt_at", AT, server_default=NOW),
    sa.Column("created_at", AT, nullable=False, server_default=NOW),
    sa.Column("finished_at", AT),
    sa.Column("traceparent", sa.Text),
    sa.Column("request_id", sa.Text),
    one_of("kind", "job", "test"),
    one_of("state", "pending", "delivered", "failed", "canceled"),
    sa.Index(
        "webhook_deliveries_line",
        "tenant",
        "host",
        sa.text("LEAST(step, 1)"),
        "next_attempt_at",
        "id",
        postgresql_where=sa.text("state = 'pending'"),
    ),
    sa.Index("webhook_deliveries_job", "job_id", "id"),
    sa.Index("webhook_deliveries_log", "tenant", "id"),
    sa.Index("webhook_deliveries_state", "tenant", "state", "id"),
    sa.Index(
        "webhook_deliveries_end",
        "job_id",
        unique=True,
        postgresql_where=sa.text("event = 'job.completed'"),
    ),
    postgresql_with={"fillfactor": "70"},
)

webhook_secrets = sa.Table(
    "webhook_secrets",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=UUID7),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("created_at", AT, nullable=False, server_default=NOW),
    sa.Column("expires_at", AT),
    sa.Index(
        "webhook_secrets_current", "tenant", unique=True, postgresql_where=sa.text("expires_at IS NULL")
    ),
    sa.Index("webhook_secrets_tenant", "tenant", "expires_at"),
)
