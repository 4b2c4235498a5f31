"""The transitions themselves stay as they are, and no column of a result that people rely on changes."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

# a later release that changes the states disables the trigger in its own migration
TRANSITIONS = """
CREATE TRIGGER job_transitions_fixed BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON job_transitions
    FOR EACH STATEMENT EXECUTE FUNCTION inkqueue_refuse('only a migration changes which ways a job may go');
"""

ITEMS = """
DROP TRIGGER items_final ON items;
CREATE TRIGGER items_final BEFORE UPDATE OF {columns} ON items FOR EACH STATEMENT
    EXECUTE FUNCTION inkqueue_refuse('a result is written once');
"""
BEFORE = "job_id, seq, status, prediction"
AFTER = f"{BEFORE}, name, custom_id, page, confidence, decision, reasons, error_code, error_detail"


def upgrade() -> None:
    """Guard more; no release writes to any of this after the first time."""
    op.execute(TRANSITIONS)
    op.execute(ITEMS.format(columns=AFTER))


def downgrade() -> None:
    """Guard what was guarded before."""
    op.execute(ITEMS.format(columns=BEFORE))
    op.execute("DROP TRIGGER job_transitions_fixed ON job_transitions")
