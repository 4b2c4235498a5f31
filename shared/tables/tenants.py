"""Tenants, and what lets callers in."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.tables.base import AT, NOW, UUID7, metadata

tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("created_at", AT, nullable=False, server_default=NOW),
)

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), primary_key=True),
    *(sa.Column(name, sa.BigInteger) for name in ("open_jobs", "waiting_items", "stored_bytes", "uploads")),
    sa.CheckConstraint("least(open_jobs, waiting_items, stored_bytes, uploads) > 0", name="quotas_positive"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=UUID7),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("prefix", sa.Text, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("scopes", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("created_at", AT, nullable=False, server_default=NOW),
    sa.Column("expires_at", AT),
    sa.Column("last_used_at", AT),
    sa.Column("revoked_at", AT),
    sa.Index("api_keys_prefix", "prefix", unique=True),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=UUID7),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("key_id", pg.UUID, sa.ForeignKey("api_keys.id"), nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("created_at", AT, nullable=False, server_default=NOW),
    sa.Column("expires_at", AT, nullable=False),
    sa.Column("last_seen_at", AT, nullable=False, server_default=NOW),
    sa.Index("sessions_key", "key_id"),
    sa.Index("sessions_expiry", "expires_at"),
)
