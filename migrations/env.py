"""Run the migrations on the database that the settings name (or on the connection that a caller hands over)."""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, pool, text

from shared.settings import get_settings
from shared.tables import metadata


def include_name(name: str | None, type_: str, _parents: object) -> bool:
    """Leave the partitions of `items` out of comparisons: they come and go by themselves."""
    return not (type_ == "table" and name is not None and name.startswith("items_"))


def run(connection: Connection) -> None:
    """Migrate over this connection, one migration a transaction, and never wait long for a lock."""
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=include_name,
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=_same_default,
    )
    with context.begin_transaction():
        context.run_migrations()


def _same_default(
    _context: MigrationContext,
    _inspected: object,
    _column: object,
    _inspected_default: str | None,
    _metadata_default: object,
    _rendered: str | None,
) -> Literal[False]:
    """Trust the written defaults; Postgres renders them in its own words."""
    return False


given = context.config.attributes.get("connection")
if isinstance(given, Connection):
    run(given)
else:
    url = context.config.attributes.get("url") or get_settings().sqlalchemy_url
    with create_engine(url, poolclass=pool.NullPool).connect() as fresh:
        run(fresh)
