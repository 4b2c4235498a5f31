"""Keys are found by their public part, and people sign in to sessions."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the index and the table; nothing that runs looks at either."""
    op.execute("CREATE UNIQUE INDEX api_keys_prefix ON api_keys (prefix)")
    op.execute(
        """CREATE TABLE sessions (
            id uuid PRIMARY KEY DEFAULT uuidv7(),
            tenant text NOT NULL REFERENCES tenants,
            key_id uuid NOT NULL REFERENCES api_keys,
            hash bytea NOT NULL UNIQUE,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            expires_at timestamptz NOT NULL,
            last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )"""
    )
    op.execute("CREATE INDEX sessions_key ON sessions (key_id)")
    op.execute("CREATE INDEX sessions_expiry ON sessions (expires_at)")


def downgrade() -> None:
    """Take both away; everybody is signed out."""
    op.execute("DROP TABLE sessions")
    op.execute("DROP INDEX api_keys_prefix")
