"""The tables, as SQLAlchemy sees them. Alembic alone changes the schema; a test holds both together."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

metadata = sa.MetaData()

_now = sa.text("clock_timestamp()")
_uuid7 = sa.text("uuidv7()")
_at = sa.DateTime(timezone=True)


def _one_of(column: str, *values: str) -> sa.CheckConstraint:
    """Make the CHECK that stands in for an enum: text that may only be one of these."""
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("created_at", _at, nullable=False, server_default=_now),
)

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), primary_key=True),
    *(sa.Column(name, sa.BigInteger) for name in ("open_jobs", "waiting_items", "stored_bytes", "uploads")),
    sa.CheckConstraint("least(open_jobs, waiting_items, stored_bytes, uploads) > 0", name="quotas_positive"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=_uuid7),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("prefix", sa.Text, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("scopes", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("created_at", _at, nullable=False, server_default=_now),
    sa.Column("expires_at", _at),
    sa.Column("last_used_at", _at),
    sa.Column("revoked_at", _at),
    sa.Index("api_keys_prefix", "prefix", unique=True),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=_uuid7),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("key_id", pg.UUID, sa.ForeignKey("api_keys.id"), nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("created_at", _at, nullable=False, server_default=_now),
    sa.Column("expires_at", _at, nullable=False),
    sa.Column("last_seen_at", _at, nullable=False, server_default=_now),
    sa.Index("sessions_key", "key_id"),
    sa.Index("sessions_expiry", "expires_at"),
)

job_transitions = sa.Table(
    "job_transitions",
    metadata,
    sa.Column("from_status", sa.Text, primary_key=True),
    sa.Column("to_status", sa.Text, primary_key=True),
)


def _count(name: str) -> sa.Column[int]:
    """Make a column that counts from zero."""
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=_uuid7),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False, server_default="default"),
    sa.Column("kind", sa.Text, nullable=False, server_default="job"),
    sa.Column("name", sa.Text),
    sa.Column("mode", sa.Text, nullable=False, server_default="classify"),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("stop_reason", sa.Text),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("model_name", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text),
    sa.Column("model_sha256", sa.Text),
    sa.Column("engine_class", sa.Text),
    sa.Column("preparation", sa.Text),
    sa.Column("template", sa.Text),
    sa.Column("target_error", sa.Double),
    _count("total"),
    _count("succeeded"),
    _count("failed"),
    _count("skipped"),
    _count("canceled"),
    _count("expired"),
    _count("accepted"),
    _count("review"),
    _count("reviewed"),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="1"),
    sa.Column("parent_id", pg.UUID),
    sa.Column("metadata", pg.JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    sa.Column("webhook", pg.JSONB),
    sa.Column("error", pg.JSONB),
    sa.Column("traceparent", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("created_at", _at, nullable=False, server_default=_now),
    sa.Column("started_at", _at),
    sa.Column("finished_at", _at),
    sa.Column("deadline_at", _at),
    sa.Column("results_expire_at", _at),
    sa.Column("deleted_at", _at),
    sa.Column("purged_at", _at),
    _one_of("kind", "job", "predict"),
    _one_of("mode", "classify", "number", "form"),
    _one_of(
        "status",
        "validating",
        "queued",
        "running",
        "canceling",
        "succeeded",
        "partially_succeeded",
        "failed",
        "canceled",
        "expired",
    ),
    _one_of("stop_reason", "cancel", "deadline"),
    _one_of("lane", "interactive", "bulk"),
    sa.CheckConstraint("priority BETWEEN 0 AND 2", name="priority_known"),
    sa.CheckConstraint("accepted + review = succeeded", name="decisions_add_up"),
    sa.CheckConstraint(
        "least(total, succeeded, failed, skipped, canceled, expired, accepted, review, reviewed) >= 0"
        " AND succeeded + failed + skipped + canceled + expired <= total",
        name="counts_add_up",
    ),
    sa.CheckConstraint(
        "status IN ('validating', 'queued', 'running', 'canceling')"
        " OR (finished_at IS NOT NULL AND succeeded + failed + skipped + canceled + expired = total)",
        name="terminal_is_complete",
    ),
    sa.Index("jobs_listed", "tenant", "kind", "id", postgresql_where=sa.text("deleted_at IS NULL")),
    sa.Index(
        "jobs_open",
        "id",
        postgresql_where=sa.text("status IN ('validating', 'queued', 'running', 'canceling')"),
    ),
    sa.Index(
        "jobs_open_tenant",
        "tenant",
        postgresql_where=sa.text("status IN ('validating', 'queued', 'running', 'canceling')"),
    ),
    sa.Index(
        "jobs_deadline",
        "deadline_at",
        postgresql_where=sa.text("deadline_at IS NOT NULL AND status IN ('validating', 'queued', 'running')"),
    ),
    sa.Index("jobs_stale", "results_expire_at", postgresql_where=sa.text("purged_at IS NULL")),
    sa.Index("jobs_deleted", "deleted_at", postgresql_where=sa.text("deleted_at IS NOT NULL")),
    sa.Index("jobs_finished", "finished_at", postgresql_where=sa.text("finished_at IS NOT NULL")),
    postgresql_with={"fillfactor": "70"},
)

inputs = sa.Table(
    "inputs",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=_uuid7),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False, server_default="default"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("content_type", sa.Text),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("sha256", sa.Text),
    sa.Column("storage_key", sa.Text),
    sa.Column("inline", sa.LargeBinary),
    sa.Column("created_at", _at, nullable=False, server_default=_now),
    sa.Column("touched_at", _at, nullable=False, server_default=_now),
    _one_of("state", "receiving", "attached", "collecting"),
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
    _one_of("state", "inputs", "items"),
    sa.CheckConstraint("(inline IS NULL) <> (storage_key IS NULL)", name="one_place"),
)

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("job_id", pg.UUID, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("turn", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, server_default="classify"),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="pending"),
    sa.Column("first_seq", sa.Integer, nullable=False),
    sa.Column("end_seq", sa.Integer, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("crashes", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("failures", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("not_before", _at),
    sa.Column("token", pg.UUID),
    sa.Column("worker", sa.Text),
    sa.Column("claimed_at", _at),
    sa.Column("lease_until", _at),
    sa.Column("created_at", _at, nullable=False, server_default=_now),
    _one_of("lane", "interactive", "bulk"),
    _one_of("kind", "classify", "expand"),
    _one_of("state", "pending", "leased", "done", "stopped"),
    sa.CheckConstraint("first_seq >= 0 AND end_seq > first_seq", name="range_not_empty"),
    sa.CheckConstraint("position BETWEEN first_seq AND end_seq", name="position_inside"),
    sa.CheckConstraint("(state = 'leased') = (token IS NOT NULL)", name="token_while_leased"),
    sa.Index("chunks_claim", "lane", "priority", "turn", "id", postgresql_where=sa.text("state = 'pending'")),
    sa.Index(
        "chunks_fair", "lane", "priority", "tenant", "turn", postgresql_where=sa.text("state = 'pending'")
    ),
    sa.Index("chunks_leased", "id", postgresql_where=sa.text("state = 'leased'")),
    sa.Index("chunks_open", "job_id", "first_seq", postgresql_where=sa.text("state <> 'done'")),
    sa.Index("chunks_job", "job_id"),
    postgresql_with={"fillfactor": "60"},
)

items = sa.Table(
    "items",
    metadata,
    sa.Column("job_id", pg.UUID, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("custom_id", sa.Text),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("prediction", sa.Text),
    sa.Column("confidence", sa.REAL),
    sa.Column("probabilities", pg.ARRAY(sa.REAL)),
    sa.Column("alternatives", pg.JSONB),
    sa.Column("decision", sa.Text),
    sa.Column("reasons", pg.ARRAY(sa.Text)),
    sa.Column("error_code", sa.Text),
    sa.Column("error_detail", sa.Text),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    _one_of("status", "succeeded", "failed", "skipped", "canceled", "expired"),
    _one_of("decision", "accept", "review"),
    postgresql_partition_by="RANGE (job_id)",
)

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
    sa.Column("created_at", _at, nullable=False, server_default=_now),
)

templates = sa.Table(
    "templates",
    metadata,
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("definition", pg.JSONB, nullable=False),
    sa.Column("created_at", _at, nullable=False, server_default=_now),
    sa.Column("updated_at", _at, nullable=False, server_default=_now),
)

webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=_uuid7),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("job_id", pg.UUID),
    sa.Column("kind", sa.Text, nullable=False, server_default="job"),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column(
        "host",
        sa.Text,
        sa.Computed(
            "CASE kind WHEN 'test' THEN 'test ' ELSE '' END"
            " || coalesce(lower(\"substring\"(url, '^[^:]+://[^/?#]*')), '')",
            persisted=True,
        ),
        nullable=False,
    ),
    sa.Column("snapshot", pg.JSONB),
    sa.Column("body", sa.Text),
    sa.Column("state", sa.Text, nullable=False, server_default="pending"),
    sa.Column("reason", sa.Text),
    sa.Column("attempts", pg.JSONB, nullable=False, server_default=sa.text("'[]'::jsonb")),
    _count("attempt_count"),
    _count("step"),
    sa.Column("token", pg.UUID),
    sa.Column("worker", sa.Text),
    sa.Column("claimed_at", _at),
    sa.Column("next_attempt_at", _at, server_default=_now),
    sa.Column("created_at", _at, nullable=False, server_default=_now),
    sa.Column("finished_at", _at),
    sa.Column("traceparent", sa.Text),
    sa.Column("request_id", sa.Text),
    _one_of("kind", "job", "test"),
    _one_of("state", "pending", "delivered", "failed", "canceled"),
    sa.Index(
        "webhook_deliveries_line",
        "tenant",
        "host",
        sa.text("LEAST(step, 1)"),
        "next_attempt_at",
        "id",
        postgresql_where=sa.text("state = 'pending'"),
    ),
    sa.Index("webhook_deliveries_job", "job_id", "id"),
    sa.Index("webhook_deliveries_log", "tenant", "id"),
    sa.Index("webhook_deliveries_state", "tenant", "state", "id"),
    sa.Index(
        "webhook_deliveries_end",
        "job_id",
        unique=True,
        postgresql_where=sa.text("event = 'job.completed'"),
    ),
    postgresql_with={"fillfactor": "70"},
)

webhook_secrets = sa.Table(
    "webhook_secrets",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=_uuid7),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("created_at", _at, nullable=False, server_default=_now),
    sa.Column("expires_at", _at),
    sa.Index(
        "webhook_secrets_current", "tenant", unique=True, postgresql_where=sa.text("expires_at IS NULL")
    ),
    sa.Index("webhook_secrets_tenant", "tenant", "expires_at"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("job_id", pg.UUID, nullable=False),
    sa.Column("created_at", _at, nullable=False, server_default=_now),
    sa.Column("expires_at", _at, nullable=False),
    sa.Index("idempotency_keys_expiry", "expires_at"),
    sa.Index("idempotency_keys_job", "job_id"),
)

tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("not_before", _at, nullable=False, server_default=_now),
    sa.Index("tombstones_due", "not_before"),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("lane", sa.Text),
    sa.Column("device", sa.Text),
    sa.Column("engine", sa.Text),
    sa.Column("models", pg.JSONB, nullable=False, server_default=sa.text("'[]'::jsonb")),
    sa.Column("items", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("images_per_s", sa.Double, nullable=False, server_default="0"),
    sa.Column("metrics", pg.JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    sa.Column("started_at", _at, nullable=False, server_default=_now),
    sa.Column("heartbeat_at", _at, nullable=False, server_default=_now),
    _one_of("role", "worker", "steward"),
)

metric_totals = sa.Table(
    "metric_totals",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
)
