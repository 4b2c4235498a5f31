"""Webhooks: deliveries that several stewards share, secrets, and the trigger that tells what became of a job."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
ALTER TABLE webhook_deliveries
    ADD kind text NOT NULL DEFAULT 'job' CONSTRAINT kind_known CHECK (kind IN ('job', 'test')),
    ADD host text GENERATED ALWAYS AS (CASE kind WHEN 'test' THEN 'test ' ELSE '' END
        || coalesce(lower("substring"(url, '^[^:]+://[^/?#]*')), '')) STORED NOT NULL,
    ADD snapshot jsonb,
    ADD body text,
    ADD attempt_count integer NOT NULL DEFAULT 0,
    ADD step integer NOT NULL DEFAULT 0,
    ADD token uuid,
    ADD worker text,
    ADD claimed_at timestamptz,
    ADD reason text,
    ADD finished_at timestamptz,
    ADD traceparent text,
    ADD request_id text,
    DROP CONSTRAINT state_known,
    ADD CONSTRAINT state_known CHECK (state IN ('pending', 'delivered', 'failed', 'canceled')),
    SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);
DROP INDEX webhook_deliveries_due;
DROP INDEX webhook_deliveries_job;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (tenant, host, next_attempt_at, id)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_job ON webhook_deliveries (job_id, id);
CREATE INDEX webhook_deliveries_log ON webhook_deliveries (tenant, id);
CREATE INDEX webhook_deliveries_state ON webhook_deliveries (tenant, state, id);
CREATE UNIQUE INDEX webhook_deliveries_end ON webhook_deliveries (job_id) WHERE event = 'job.completed';

CREATE TABLE webhook_secrets (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant text NOT NULL REFERENCES tenants,
    secret text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz
);
CREATE UNIQUE INDEX webhook_secrets_current ON webhook_secrets (tenant) WHERE expires_at IS NULL;
CREATE INDEX webhook_secrets_tenant ON webhook_secrets (tenant, expires_at);
"""

FUNCTIONS = """
-- Put one event of a job into the line, if the job's webhook wants it. The caller holds the job's row, so two
-- changes of one job come here one after the other.
CREATE FUNCTION inkqueue_tell(job jobs, told text, shown jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first_at timestamptz := clock_timestamp();
BEGIN
    IF job.kind <> 'job' OR job.deleted_at IS NOT NULL OR job.webhook ->> 'url' IS NULL
        OR NOT coalesce(job.webhook -> 'events', '["job.completed"]') ? told
    THEN
        RETURN;
    END IF;
    IF told = 'job.progress' THEN
        UPDATE webhook_deliveries SET snapshot = shown
        WHERE job_id = job.id AND event = told AND state = 'pending' AND token IS NULL AND body IS NULL;
        IF FOUND THEN
            RETURN;
        END IF;
        SELECT greatest(first_at, max(claimed_at) + interval '1 second') INTO first_at
        FROM webhook_deliveries WHERE job_id = job.id AND event = told;
        PERFORM inkqueue_drop_progress(job.id);
    END IF;
    INSERT INTO webhook_deliveries (tenant, job_id, event, url, snapshot, traceparent, request_id, next_attempt_at)
    VALUES (job.tenant, job.id, told, job.webhook ->> 'url', shown, job.traceparent, job.request_id, first_at)
    ON CONFLICT (job_id) WHERE event = 'job.completed' DO UPDATE SET snapshot = excluded.snapshot,
        traceparent = excluded.traceparent, request_id = excluded.request_id;
END $$;

-- Take back what has become old news: the undelivered progress of a job.
CREATE FUNCTION inkqueue_drop_progress(job uuid) RETURNS void LANGUAGE sql AS $$
    UPDATE webhook_deliveries SET state = 'canceled', reason = 'superseded', finished_at = clock_timestamp()
    WHERE job_id = job AND event = 'job.progress' AND state = 'pending'
$$;

-- Tell every change of a job that has a webhook, in the transaction that makes the change, whoever makes it.
CREATE FUNCTION inkqueue_tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
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
    ELSIF (NEW.succeeded, NEW.failed, NEW.skipped, NEW.canceled, NEW.expired)
        IS DISTINCT FROM (OLD.succeeded, OLD.failed, OLD.skipped, OLD.canceled, OLD.expired) AND TG_OP = 'UPDATE'
    THEN
        PERFORM inkqueue_tell(NEW, 'job.progress', shown);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER jobs_tell AFTER INSERT OR UPDATE ON jobs FOR EACH ROW WHEN (NEW.webhook IS NOT NULL)
    EXECUTE FUNCTION inkqueue_tell_change();
"""

BACK = """
DROP TRIGGER jobs_tell ON jobs;
DROP FUNCTION inkqueue_tell_change, inkqueue_tell, inkqueue_drop_progress;
DROP TABLE webhook_secrets;
DROP INDEX webhook_deliveries_end;
DROP INDEX webhook_deliveries_state;
DROP INDEX webhook_deliveries_log;
DROP INDEX webhook_deliveries_job;
DROP INDEX webhook_deliveries_due;
UPDATE webhook_deliveries SET state = 'failed' WHERE state = 'canceled';
ALTER TABLE webhook_deliveries
    DROP CONSTRAINT state_known,
    ADD CONSTRAINT state_known CHECK (state IN ('pending', 'delivered', 'failed')),
    DROP host, DROP kind, DROP snapshot, DROP body, DROP attempt_count, DROP step, DROP token, DROP worker,
    DROP claimed_at, DROP reason, DROP finished_at, DROP traceparent, DROP request_id,
    RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_job ON webhook_deliveries (job_id);
"""


def upgrade() -> None:
    """Give deliveries what sending needs, and make the table of secrets and the trigger."""
    op.execute(TABLES)
    op.execute(FUNCTIONS)


def downgrade() -> None:
    """Take all of it back."""
    op.execute(BACK)
