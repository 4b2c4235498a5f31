"""The first schema."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE tenants (
    id text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO tenants (id) VALUES ('default');

CREATE TABLE api_keys (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant text NOT NULL REFERENCES tenants,
    name text NOT NULL,
    prefix text NOT NULL,
    hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);

CREATE TABLE job_transitions (
    from_status text,
    to_status text,
    PRIMARY KEY (from_status, to_status)
);
INSERT INTO job_transitions (from_status, to_status)
SELECT f, t FROM (VALUES ('validating'), ('queued'), ('running'), ('canceling')) AS a (f),
    (VALUES ('succeeded'), ('partially_succeeded'), ('failed'), ('canceled'), ('expired')) AS b (t)
UNION ALL VALUES ('validating', 'queued'), ('validating', 'running'), ('validating', 'canceling'),
    ('queued', 'running'), ('queued', 'canceling'), ('running', 'canceling');

CREATE TABLE jobs (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant text NOT NULL DEFAULT 'default' REFERENCES tenants,
    kind text NOT NULL DEFAULT 'job' CONSTRAINT kind_known CHECK (kind IN ('job', 'predict')),
    name text,
    mode text NOT NULL DEFAULT 'classify' CONSTRAINT mode_known CHECK (mode IN ('classify', 'number', 'form')),
    status text NOT NULL CONSTRAINT status_known CHECK (status IN ('validating', 'queued', 'running', 'canceling',
        'succeeded', 'partially_succeeded', 'failed', 'canceled', 'expired')),
    stop_reason text CONSTRAINT stop_reason_known CHECK (stop_reason IN ('cancel', 'deadline')),
    lane text NOT NULL CONSTRAINT lane_known CHECK (lane IN ('interactive', 'bulk')),
    priority smallint NOT NULL DEFAULT 1 CONSTRAINT priority_known CHECK (priority BETWEEN 0 AND 2),
    model_name text NOT NULL,
    model_version text,
    model_sha256 text,
    engine_class text,
    preparation text,
    template text,
    target_error double precision,
    total integer NOT NULL DEFAULT 0,
    succeeded integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    skipped integer NOT NULL DEFAULT 0,
    canceled integer NOT NULL DEFAULT 0,
    expired integer NOT NULL DEFAULT 0,
    accepted integer NOT NULL DEFAULT 0,
    review integer NOT NULL DEFAULT 0,
    reviewed integer NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    attempt integer NOT NULL DEFAULT 1,
    parent_id uuid,
    metadata jsonb NOT NULL DEFAULT '{}',
    webhook jsonb,
    error jsonb,
    traceparent text,
    request_id text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    deadline_at timestamptz,
    results_expire_at timestamptz,
    deleted_at timestamptz,
    purged_at timestamptz,
    CONSTRAINT decisions_add_up CHECK (accepted + review = succeeded),
    CONSTRAINT counts_add_up CHECK (
        least(total, succeeded, failed, skipped, canceled, expired, accepted, review, reviewed) >= 0
        AND succeeded + failed + skipped + canceled + expired <= total),
    CONSTRAINT terminal_is_complete CHECK (status IN ('validating', 'queued', 'running', 'canceling')
        OR (finished_at IS NOT NULL AND succeeded + failed + skipped + canceled + expired = total))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200,
    autovacuum_vacuum_cost_delay = 0);
CREATE INDEX jobs_listed ON jobs (tenant, kind, id) WHERE deleted_at IS NULL;
CREATE INDEX jobs_open ON jobs (id) WHERE status IN ('validating', 'queued', 'running', 'canceling');
CREATE INDEX jobs_deadline ON jobs (deadline_at)
    WHERE deadline_at IS NOT NULL AND status IN ('validating', 'queued', 'running');
CREATE INDEX jobs_stale ON jobs (results_expire_at) WHERE purged_at IS NULL;
CREATE INDEX jobs_deleted ON jobs (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE inputs (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant text NOT NULL DEFAULT 'default' REFERENCES tenants,
    state text NOT NULL CONSTRAINT state_known CHECK (state IN ('receiving', 'attached', 'collecting')),
    name text NOT NULL,
    content_type text,
    bytes bigint,
    sha256 text,
    storage_key text,
    inline bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    touched_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX inputs_receiving ON inputs (touched_at) WHERE state = 'receiving';
CREATE INDEX inputs_collecting ON inputs (id) WHERE state = 'collecting';

CREATE TABLE job_inputs (
    job_id uuid REFERENCES jobs,
    ordinal integer,
    input_id uuid NOT NULL REFERENCES inputs,
    PRIMARY KEY (job_id, ordinal)
);
CREATE INDEX job_inputs_input ON job_inputs (input_id);

CREATE TABLE manifests (
    job_id uuid PRIMARY KEY REFERENCES jobs,
    state text NOT NULL CONSTRAINT state_known CHECK (state IN ('inputs', 'items')),
    inline bytea,
    storage_key text,
    CONSTRAINT one_place CHECK ((inline IS NULL) <> (storage_key IS NULL))
);

CREATE TABLE chunks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id uuid NOT NULL,
    tenant text NOT NULL,
    lane text NOT NULL CONSTRAINT lane_known CHECK (lane IN ('interactive', 'bulk')),
    priority smallint NOT NULL,
    turn bigint NOT NULL,
    kind text NOT NULL DEFAULT 'classify' CONSTRAINT kind_known CHECK (kind IN ('classify', 'expand')),
    model text NOT NULL,
    state text NOT NULL DEFAULT 'pending'
        CONSTRAINT state_known CHECK (state IN ('pending', 'leased', 'done', 'stopped')),
    first_seq integer NOT NULL,
    end_seq integer NOT NULL,
    position integer NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    crashes smallint NOT NULL DEFAULT 0,
    failures smallint NOT NULL DEFAULT 0,
    not_before timestamptz,
    token uuid,
    worker text,
    claimed_at timestamptz,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT range_not_empty CHECK (first_seq >= 0 AND end_seq > first_seq),
    CONSTRAINT position_inside CHECK (position BETWEEN first_seq AND end_seq),
    CONSTRAINT token_while_leased CHECK ((state = 'leased') = (token IS NOT NULL))
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0);
CREATE INDEX chunks_claim ON chunks (lane, priority, turn, id) WHERE state = 'pending';
CREATE INDEX chunks_fair ON chunks (lane, priority, tenant, turn) WHERE state = 'pending';
CREATE INDEX chunks_leased ON chunks (id) WHERE state = 'leased';
CREATE INDEX chunks_open ON chunks (job_id, first_seq) WHERE state <> 'done';
CREATE INDEX chunks_job ON chunks (job_id);

CREATE TABLE items (
    job_id uuid,
    seq integer,
    status text NOT NULL
        CONSTRAINT status_known CHECK (status IN ('succeeded', 'failed', 'skipped', 'canceled', 'expired')),
    name text NOT NULL,
    custom_id text,
    page integer NOT NULL,
    prediction text,
    confidence real,
    probabilities real[],
    alternatives jsonb,
    decision text CONSTRAINT decision_known CHECK (decision IN ('accept', 'review')),
    reasons text[],
    error_code text,
    error_detail text,
    width integer,
    height integer,
    PRIMARY KEY (job_id, seq)
) PARTITION BY RANGE (job_id);
CREATE TABLE items_default PARTITION OF items DEFAULT;

CREATE TABLE reviews (
    job_id uuid,
    seq integer,
    field text DEFAULT '',
    reviewer text,
    tenant text NOT NULL REFERENCES tenants,
    value text,
    reason text,
    by_admin boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, seq, field, reviewer)
);

CREATE TABLE templates (
    tenant text REFERENCES tenants,
    name text,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, name)
);

CREATE TABLE webhook_deliveries (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant text NOT NULL REFERENCES tenants,
    job_id uuid,
    event text NOT NULL,
    url text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CONSTRAINT state_known CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts jsonb NOT NULL DEFAULT '[]',
    next_attempt_at timestamptz DEFAULT clock_timestamp(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_job ON webhook_deliveries (job_id);

CREATE TABLE idempotency_keys (
    tenant text REFERENCES tenants,
    key text,
    fingerprint text NOT NULL,
    job_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
CREATE INDEX idempotency_keys_job ON idempotency_keys (job_id);

CREATE TABLE tombstones (
    key text PRIMARY KEY,
    not_before timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX tombstones_due ON tombstones (not_before);

CREATE TABLE workers (
    id text PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    role text NOT NULL CONSTRAINT role_known CHECK (role IN ('worker', 'steward')),
    lane text,
    device text,
    engine text,
    models jsonb NOT NULL DEFAULT '[]',
    items bigint NOT NULL DEFAULT 0,
    images_per_s double precision NOT NULL DEFAULT 0,
    metrics jsonb NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE metric_totals (
    name text PRIMARY KEY,
    value double precision NOT NULL
);
"""

FUNCTIONS = """
CREATE FUNCTION inkqueue_guard_job() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER jobs_guard BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION inkqueue_guard_job();

-- The smallest UUIDv7 of a moment: 48 bits of milliseconds, version 7, zeros.
CREATE FUNCTION inkqueue_uuid_at(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

-- Make the weekly partitions of items from last week until so many weeks ahead; return how many were made.
CREATE FUNCTION inkqueue_make_partitions(weeks_ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer := 0;
    week timestamp;
    part text;
BEGIN
    FOR week IN SELECT generate_series(date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC') - interval '1 week',
        date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC') + weeks_ahead * interval '1 week', interval '1 week')
    LOOP
        part := 'items_' || to_char(week, 'IYYY"w"IW');
        IF to_regclass(part) IS NULL THEN
            BEGIN
            -- rows are written once: the vacuum after inserts may wait until there is something to freeze
            EXECUTE format('CREATE TABLE %I PARTITION OF items FOR VALUES FROM (%L) TO (%L)
                WITH (autovacuum_vacuum_insert_threshold = 1000000, autovacuum_analyze_threshold = 100000)', part,
                inkqueue_uuid_at(week AT TIME ZONE 'UTC'),
                inkqueue_uuid_at((week + interval '1 week') AT TIME ZONE 'UTC'));
            made := made + 1;
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'rows of % are in the default partition', part;
            END;
        END IF;
    END LOOP;
    RETURN made;
END $$;
SELECT inkqueue_make_partitions(4);
"""

NAMES = (
    "metric_totals",
    "workers",
    "tombstones",
    "idempotency_keys",
    "webhook_deliveries",
    "templates",
    "reviews",
    "items",
    "chunks",
    "manifests",
    "job_inputs",
    "inputs",
    "jobs",
    "job_transitions",
    "api_keys",
    "tenants",
)


def upgrade() -> None:
    """Make every table, the guard of the job states and the first partitions."""
    op.execute(TABLES)
    op.execute(FUNCTIONS)


def downgrade() -> None:
    """Drop everything."""
    for name in NAMES:
        op.execute(f"DROP TABLE {name}")
    op.execute("DROP FUNCTION inkqueue_guard_job, inkqueue_uuid_at, inkqueue_make_partitions")
