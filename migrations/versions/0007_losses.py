"""Keep apart how often a chunk was lost and how often somebody saw it crash; give an unused attempt back."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

GUARD = """
CREATE TRIGGER chunks_guard BEFORE UPDATE ON chunks FOR EACH ROW
    WHEN (NEW.attempt < OLD.attempt{unless} OR NEW.job_id <> OLD.job_id
        OR OLD.state = 'done' AND NEW.state <> 'done'
        OR OLD.state = 'stopped' AND NEW.state NOT IN ('stopped', 'done'))
    EXECUTE FUNCTION inkqueue_refuse('a chunk that is done or stopped stays so, and its attempt only rises');
"""
HANDED_BACK = """ AND NOT (OLD.state = 'leased' AND NEW.state = 'pending'
            AND NEW.attempt = OLD.attempt - 1)"""


def upgrade() -> None:
    """Add the column; workers of the last release count their losses as crashes, as they did."""
    op.execute("ALTER TABLE chunks ADD COLUMN losses smallint NOT NULL DEFAULT 0")
    op.execute("DROP TRIGGER chunks_guard ON chunks")
    op.execute(GUARD.format(unless=HANDED_BACK))


def downgrade() -> None:
    """Take it away; what was lost and not seen is forgotten."""
    op.execute("DROP TRIGGER chunks_guard ON chunks")
    op.execute(GUARD.format(unless=""))
    op.execute("ALTER TABLE chunks DROP COLUMN losses")
