"""What was sent in, and where its bytes are."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.tables.base import AT, NOW, UUID7, metadata, one_of

inputs = sa.Table(
    "inputs",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=UUID7),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False, server_default="default"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("content_type", sa.Text),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("sha256", sa.Text),
    sa.Column("storage_key", sa.Text),
    sa.Column("inline", sa.LargeBinary),
    sa.Column("created_at", AT, nullable=False, server_default=NOW),
    sa.Column("touched_at", AT, nullable=False, server_default=NOW),
    one_of("state", "receiving", "attached", "collecting"),
    sa.Index("inputs_receiving", "touched_at", postgresql_where=sa.text("state = 'receiving'")),
    sa.Column("upload", pg.UUID),
    sa.Index("inputs_collecting", "id", postgresql_where=sa.text("state = 'collecting'")),
    sa.Index(
        "inputs_stored",
        "tenant",
        postgresql_include=["bytes"],
        postgresql_where=sa.text("state = 'attached'"),
    ),
)

job_inputs = sa.Table(
    "job_inputs",
    metadata,
    sa.Column("job_id", pg.UUID, sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),
    sa.Column("input_id", pg.UUID, sa.ForeignKey("inputs.id"), nullable=False),
    sa.Index("job_inputs_input", "input_id"),
)

manifests = sa.Table(
    "manifests",
    metadata,
    sa.Column("job_id", pg.UUID, sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("inline", sa.LargeBinary),
    sa.Column("storage_key", sa.Text),
    one_of("state", "inputs", "items"),
    sa.CheckConstraint("(inline IS NULL) <> (storage_key IS NULL)", name="one_place"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("job_id", pg.UUID, nullable=False),
    sa.Column("created_at", AT, nullable=False, server_default=NOW),
    sa.Column("expires_at", AT, nullable=False),
    sa.Index("idempotency_keys_expiry", "expires_at"),
    sa.Index("idempotency_keys_job", "job_id"),
)

tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("not_before", AT, nullable=False, server_default=NOW),
    sa.Index("tombstones_due", "not_before"),
)
