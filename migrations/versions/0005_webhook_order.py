"""Find a receiver's first tries without looking at its further ones."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Replace the index of what is due; the last release's claims go on, more slowly while receivers have backlogs."""
    op.execute(
        """CREATE INDEX webhook_deliveries_line ON webhook_deliveries
        (tenant, host, least(step, 1), next_attempt_at, id) WHERE state = 'pending'"""
    )
    op.execute("DROP INDEX webhook_deliveries_due")


def downgrade() -> None:
    """Put the old one back."""
    op.execute(
        """CREATE INDEX webhook_deliveries_due ON webhook_deliveries (tenant, host, next_attempt_at, id)
        WHERE state = 'pending'"""
    )
    op.execute("DROP INDEX webhook_deliveries_line")
