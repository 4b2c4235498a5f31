"""Chunks, what becomes of them, and the processes that work on them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.tables.base import AT, NOW, metadata, one_of

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("job_id", pg.UUID, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("turn", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, server_default="classify"),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="pending"),
    sa.Column("first_seq", sa.Integer, nullable=False),
    sa.Column("end_seq", sa.Integer, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("crashes", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("failures", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("not_before", AT),
    sa.Column("token", pg.UUID),
    sa.Column("worker", sa.Text),
    sa.Column("claimed_at", AT),
    sa.Column("lease_until", AT),
    sa.Column("created_at", AT, nullable=False, server_default=NOW),
    sa.Column("losses", sa.SmallInteger, nullable=False, server_default="0"),
    one_of("lane", "interactive", "bulk"),
    one_of("kind", "classify", "expand"),
    one_of("state", "pending", "leased", "done", "stopped"),
    sa.CheckConstraint("first_seq >= 0 AND end_seq > first_seq", name="range_not_empty"),
    sa.CheckConstraint("position BETWEEN first_seq AND end_seq", name="position_inside"),
    sa.CheckConstraint("(state = 'leased') = (token IS NOT NULL)", name="token_while_leased"),
    sa.Index("chunks_claim", "lane", "priority", "turn", "id", postgresql_where=sa.text("state = 'pending'")),
    sa.Index(
        "chunks_fair", "lane", "priority", "tenant", "turn", postgresql_where=sa.text("state = 'pending'")
    ),
    sa.Index("chunks_leased", "id", postgresql_where=sa.text("state = 'leased'")),
    sa.Index("chunks_open", "job_id", "first_seq", postgresql_where=sa.text("state <> 'done'")),
    sa.Index("chunks_job", "job_id"),
    postgresql_with={"fillfactor": "60"},
)

items = sa.Table(
    "items",
    metadata,
    sa.Column("job_id", pg.UUID, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("custom_id", sa.Text),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("prediction", sa.Text),
    sa.Column("confidence", sa.REAL),
    sa.Column("probabilities", pg.ARRAY(sa.REAL)),
    sa.Column("alternatives", pg.JSONB),
    sa.Column("decision", sa.Text),
    sa.Column("reasons", pg.ARRAY(sa.Text)),
    sa.Column("error_code", sa.Text),
    sa.Column("error_detail", sa.Text),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    one_of("status", "succeeded", "failed", "skipped", "canceled", "expired"),
    one_of("decision", "accept", "review"),
    postgresql_partition_by="RANGE (job_id)",
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("lane", sa.Text),
    sa.Column("device", sa.Text),
    sa.Column("engine", sa.Text),
    sa.Column("models", pg.JSONB, nullable=False, server_default=sa.text("'[]'::jsonb")),
    sa.Column("items", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("images_per_s", sa.Double, nullable=False, server_default="0"),
    sa.Column("metrics", pg.JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    sa.Column("started_at", AT, nullable=False, server_default=NOW),
    sa.Column("heartbeat_at", AT, nullable=False, server_default=NOW),
    sa.Column("gauges", pg.JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    one_of("role", "worker", "steward", "api"),
)

metric_totals = sa.Table(
    "metric_totals",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
)
