"""What people add: reviews and templates."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.tables.base import AT, NOW, metadata

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("job_id", pg.UUID, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True, server_default=""),
    sa.Column("reviewer", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("value", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("by_admin", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", AT, nullable=False, server_default=NOW),
    sa.Column("key_id", pg.UUID),
    sa.CheckConstraint("(value IS NULL) = (reason IS NOT NULL)", name="value_or_reason"),
    sa.Index("reviews_tenant", "tenant", "job_id", "seq"),
)

templates = sa.Table(
    "templates",
    metadata,
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("definition", pg.JSONB, nullable=False),
    sa.Column("created_at", AT, nullable=False, server_default=NOW),
    sa.Column("updated_at", AT, nullable=False, server_default=NOW),
)
