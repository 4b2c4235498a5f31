"""Quotas of single tenants, and what counting towards quotas needs."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add table, column and indexes; processes of the last release go on without them."""
    op.execute(
        """CREATE TABLE quotas (
            tenant text PRIMARY KEY REFERENCES tenants,
            open_jobs bigint,
            waiting_items bigint,
            stored_bytes bigint,
            uploads bigint,
            CONSTRAINT quotas_positive CHECK (least(open_jobs, waiting_items, stored_bytes, uploads) > 0)
        )"""
    )
    op.execute("ALTER TABLE inputs ADD COLUMN upload uuid")
    op.execute(
        """CREATE INDEX jobs_open_tenant ON jobs (tenant)
        WHERE status IN ('validating', 'queued', 'running', 'canceling')"""
    )
    op.execute("CREATE INDEX inputs_stored ON inputs (tenant) INCLUDE (bytes) WHERE state = 'attached'")


def downgrade() -> None:
    """Take them away; every tenant has the limits of the settings again."""
    op.execute("DROP INDEX inputs_stored")
    op.execute("DROP INDEX jobs_open_tenant")
    op.execute("ALTER TABLE inputs DROP COLUMN upload")
    op.execute("DROP TABLE quotas")
