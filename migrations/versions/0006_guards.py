"""Guards around the life of a job, and room for the API's processes and for gauges in the table of processes."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

PROCESSES = """
ALTER TABLE workers ADD COLUMN gauges jsonb NOT NULL DEFAULT '{}';
ALTER TABLE workers DROP CONSTRAINT role_known;
ALTER TABLE workers ADD CONSTRAINT role_known CHECK (role IN ('worker', 'steward', 'api')) NOT VALID;
ALTER TABLE workers VALIDATE CONSTRAINT role_known;
"""

CHECKS = """
ALTER TABLE jobs ADD CONSTRAINT end_follows_counts CHECK (
    status IN ('validating', 'queued', 'running', 'canceling')
    OR status = CASE WHEN canceled > 0 THEN 'canceled' WHEN expired > 0 THEN 'expired'
        WHEN failed = 0 THEN 'succeeded' WHEN succeeded > 0 THEN 'partially_succeeded' ELSE 'failed' END) NOT VALID;
ALTER TABLE jobs ADD CONSTRAINT open_is_unfinished CHECK (
    finished_at IS NULL OR status NOT IN ('validating', 'queued', 'running', 'canceling')) NOT VALID;
"""

VALIDATE = "ALTER TABLE jobs VALIDATE CONSTRAINT end_follows_counts, VALIDATE CONSTRAINT open_is_unfinished"

JOBS = """
CREATE OR REPLACE FUNCTION inkqueue_guard_job() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ended boolean := OLD.status IN ('succeeded', 'partially_succeeded', 'failed', 'canceled', 'expired');
    before integer[] := ARRAY[OLD.succeeded, OLD.failed, OLD.skipped, OLD.canceled, OLD.expired, OLD.accepted,
        OLD.review];
    after integer[] := ARRAY[NEW.succeeded, NEW.failed, NEW.skipped, NEW.canceled, NEW.expired, NEW.accepted,
        NEW.review];
BEGIN
    NEW.version := OLD.version + 1;
    IF NEW.status <> OLD.status AND NOT EXISTS (
        SELECT FROM job_transitions WHERE from_status = OLD.status AND to_status = NEW.status
    ) THEN
        RAISE EXCEPTION 'job % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'job_transitions';
    END IF;
    IF ended AND (NEW.total <> OLD.total OR after <> before OR NEW.finished_at IS DISTINCT FROM OLD.finished_at) THEN
        RAISE EXCEPTION 'job % has ended; its counts are final', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'terminal_counts_final';
    END IF;
    IF after <> before AND EXISTS (SELECT FROM unnest(before, after) AS c (was, is_now) WHERE is_now < was) THEN
        RAISE EXCEPTION 'the counts of job % only rise', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'counts_only_rise';
    END IF;
    -- pages are counted while a job is validating; a cancel may come before their number does
    IF NEW.total <> OLD.total AND OLD.status <> 'validating'
        AND NOT (OLD.status = 'canceling' AND before = ARRAY[0, 0, 0, 0, 0, 0, 0])
    THEN
        RAISE EXCEPTION 'the total of job % is final', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'total_final';
    END IF;
    IF NEW.id <> OLD.id OR OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL THEN
        RAISE EXCEPTION 'job % neither changes its id nor comes back', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'job_identity';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION inkqueue_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of %: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER jobs_begin BEFORE INSERT ON jobs FOR EACH ROW
    WHEN (NEW.status NOT IN ('validating', 'queued') OR NEW.deleted_at IS NOT NULL
        OR NEW.succeeded + NEW.failed + NEW.skipped + NEW.canceled + NEW.expired > 0)
    EXECUTE FUNCTION inkqueue_refuse('a job begins as validating or queued, with nothing done');
CREATE TRIGGER jobs_stay BEFORE DELETE ON jobs FOR EACH ROW
    WHEN (OLD.status IN ('validating', 'queued', 'running', 'canceling')
        OR OLD.deleted_at IS NULL AND OLD.kind = 'job')
    EXECUTE FUNCTION inkqueue_refuse('only an ended job that was deleted may go');
CREATE TRIGGER chunks_guard BEFORE UPDATE ON chunks FOR EACH ROW
    WHEN (NEW.attempt < OLD.attempt OR NEW.job_id <> OLD.job_id
        OR OLD.state = 'done' AND NEW.state <> 'done'
        OR OLD.state = 'stopped' AND NEW.state NOT IN ('stopped', 'done'))
    EXECUTE FUNCTION inkqueue_refuse('a chunk that is done or stopped stays so, and its attempt only rises');
CREATE TRIGGER inputs_guard BEFORE UPDATE ON inputs FOR EACH ROW
    WHEN (OLD.state = 'collecting' AND NEW.state <> 'collecting'
        OR OLD.state = 'attached' AND NEW.state = 'receiving')
    EXECUTE FUNCTION inkqueue_refuse('a file that is being removed does not come back');
"""

# Nothing here looks at rows that come in: that would cost COPY its speed, and the primary key holds them apart.
ITEMS = """
CREATE FUNCTION inkqueue_guard_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT job_id FROM gone) g JOIN jobs j ON j.id = g.job_id
        WHERE j.deleted_at IS NULL AND (j.results_expire_at IS NULL OR j.results_expire_at > clock_timestamp())
    ) THEN
        RAISE EXCEPTION 'results stay until their job is deleted or they expire'
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER items_stay AFTER DELETE ON items REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION inkqueue_guard_items();
CREATE TRIGGER items_final BEFORE UPDATE OF job_id, seq, status, prediction ON items FOR EACH STATEMENT
    EXECUTE FUNCTION inkqueue_refuse('a result is written once');
"""

BACK = """
DROP TRIGGER items_final ON items;
DROP TRIGGER items_stay ON items;
DROP FUNCTION inkqueue_guard_items;
DROP TRIGGER inputs_guard ON inputs;
DROP TRIGGER chunks_guard ON chunks;
DROP TRIGGER jobs_stay ON jobs;
DROP TRIGGER jobs_begin ON jobs;
DROP FUNCTION inkqueue_refuse;
CREATE OR REPLACE FUNCTION inkqueue_guard_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    IF NEW.status <> OLD.status AND NOT EXISTS (
        SELECT FROM job_transitions WHERE from_status = OLD.status AND to_status = NEW.status
    ) THEN
        RAISE EXCEPTION 'job % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'job_transitions';
    END IF;
    IF OLD.status IN ('succeeded', 'partially_succeeded', 'failed', 'canceled', 'expired')
        AND (NEW.total, NEW.succeeded, NEW.failed, NEW.skipped, NEW.canceled, NEW.expired)
            IS DISTINCT FROM (OLD.total, OLD.succeeded, OLD.failed, OLD.skipped, OLD.canceled, OLD.expired)
    THEN
        RAISE EXCEPTION 'job % has ended; its counts are final', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'terminal_counts_final';
    END IF;
    RETURN NEW;
END $$;
ALTER TABLE jobs DROP CONSTRAINT open_is_unfinished, DROP CONSTRAINT end_follows_counts;
DELETE FROM workers WHERE role = 'api';
ALTER TABLE workers DROP CONSTRAINT role_known, DROP COLUMN gauges;
ALTER TABLE workers ADD CONSTRAINT role_known CHECK (role IN ('worker', 'steward'));
"""


def upgrade() -> None:
    """Add columns, checks and triggers; what the last release does passes all of them."""
    op.execute(PROCESSES)
    op.execute(CHECKS)
    op.execute(VALIDATE)
    op.execute(JOBS)
    op.execute(ITEMS)


def downgrade() -> None:
    """Take all of it back."""
    op.execute(BACK)
