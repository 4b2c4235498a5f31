"""Reviews: who wrote them, how many of a job's doubtful items have one, and the event when all have."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

TABLES = """
ALTER TABLE reviews ADD COLUMN key_id uuid;
ALTER TABLE reviews ADD CONSTRAINT value_or_reason CHECK ((value IS NULL) = (reason IS NOT NULL)) NOT VALID;
ALTER TABLE reviews VALIDATE CONSTRAINT value_or_reason;
CREATE INDEX reviews_tenant ON reviews (tenant, job_id, seq);
ALTER TABLE jobs ADD COLUMN review_done integer NOT NULL DEFAULT 0;
"""

CHANGES = """
-- Tell every change of a job that has a webhook, in the transaction that makes the change, whoever makes it.
CREATE OR REPLACE FUNCTION inkqueue_tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    shown jsonb := to_jsonb(NEW) || jsonb_build_object('now', clock_timestamp());
BEGIN
    IF NEW.started_at IS NOT NULL AND OLD.started_at IS NULL THEN
        PERFORM inkqueue_tell(NEW, 'job.started', CASE WHEN NEW.finished_at IS NULL THEN shown ELSE shown ||
            '{"status": "running", "finished_at": null, "results_expire_at": null, "succeeded": 0, "failed": 0,
            "skipped": 0, "canceled": 0, "expired": 0, "accepted": 0, "review": 0}' END);
    END IF;
    IF NEW.finished_at IS NOT NULL THEN
        IF OLD.finished_at IS NULL THEN
            PERFORM inkqueue_drop_progress(NEW.id);
            PERFORM inkqueue_tell(NEW, 'job.completed', shown);
        END IF;
%s    ELSIF (NEW.succeeded, NEW.failed, NEW.skipped, NEW.canceled, NEW.expired)
        IS DISTINCT FROM (OLD.succeeded, OLD.failed, OLD.skipped, OLD.canceled, OLD.expired) AND TG_OP = 'UPDATE'
    THEN
        PERFORM inkqueue_tell(NEW, 'job.progress', shown);
    END IF;
    RETURN NULL;
END $$;
"""

REVIEWED = """        -- the last doubtful item has got its review; taken back and given again, it stays one message
        IF NEW.review > 0 AND NEW.review_done >= NEW.review
            AND (OLD.finished_at IS NULL OR OLD.review_done < OLD.review)
        THEN
            UPDATE webhook_deliveries SET snapshot = shown
            WHERE job_id = NEW.id AND event = 'job.reviewed' AND state = 'pending' AND token IS NULL
                AND body IS NULL;
            IF NOT FOUND THEN
                PERFORM inkqueue_tell(NEW, 'job.reviewed', shown);
            END IF;
        END IF;
"""


def upgrade() -> None:
    """Add what is missing; processes of the last release write no reviews and go on."""
    op.execute(TABLES)
    op.execute(CHANGES % REVIEWED)


def downgrade() -> None:
    """Take it back; reviews stay."""
    op.execute(CHANGES % "")
    op.execute("ALTER TABLE jobs DROP COLUMN review_done")
    op.execute("DROP INDEX reviews_tenant")
    op.execute("ALTER TABLE reviews DROP CONSTRAINT value_or_reason, DROP COLUMN key_id")
