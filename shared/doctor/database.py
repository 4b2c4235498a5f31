"""Checks of PostgreSQL: reachable, new enough, migrated, writable, with room, and with a clock like ours."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import ProgrammingError

from shared.db import Database
from shared.doctor.finding import Trouble, hidden, opened
from shared.errors import InkqueueError
from shared.migrate import alembic_config
from shared.settings import Settings

OLDEST_POSTGRES = 180000
LEAST_FREE_BYTES = 1 << 30
LEAST_FREE_CONNECTIONS = 10
MOST_SKEW_S = 2.0


def check_database(settings: Settings) -> str:
    """Reach PostgreSQL, new enough, with the schema of this code, and not read-only."""
    db = Database(settings.sqlalchemy_url, "tool", 1)
    try:
        with db.transaction() as connection:
            version = int(connection.execute(sa.text("SHOW server_version_num")).scalar_one())
            read_only = connection.execute(sa.text("SHOW transaction_read_only")).scalar_one() == "on"
            found = MigrationContext.configure(connection).get_current_revision()
    except InkqueueError as error:
        raise Trouble(
            f"PostgreSQL cannot be reached at {hidden(settings.database_url)}.",
            "Start it (`inkqueue up` brings its own) or set INKQUEUE_DATABASE_URL.",
        ) from error
    finally:
        db.close()
    if version < OLDEST_POSTGRES:
        raise Trouble(f"PostgreSQL is version {version // 10000}.", "Use PostgreSQL 18 or newer.")
    newest = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if found != newest:
        raise Trouble(
            f"The schema is at {found or 'nothing'}, this code wants {newest}.",
            "Run `python -m shared.migrate`.",
        )
    if read_only:
        raise Trouble(
            "PostgreSQL takes no changes: it is read-only.",
            "Set INKQUEUE_DATABASE_URL to the primary, or end what made it read-only "
            "(a standby, `default_transaction_read_only`).",
        )
    return f"PostgreSQL {version // 10000}, schema {found}"


def check_connections(settings: Settings) -> str:
    """See that the server has connections left for more processes."""
    with opened(settings) as db, db.transaction() as connection:
        used, most = connection.execute(_CONNECTIONS).one()
    if most - used < LEAST_FREE_CONNECTIONS:
        raise Trouble(
            f"Only {most - used} of {most} database connections are free.",
            "Raise max_connections in postgresql.conf, lower INKQUEUE_API_DB_POOL, or put a PgBouncer between.",
        )
    return f"{used} of {most} in use"


def check_database_disk(settings: Settings) -> str:
    """See that the server's disk has room, where it is one of this machine."""
    try:
        with opened(settings) as db, db.transaction() as connection:
            size = connection.execute(_SIZE).scalar_one()
            folder = Path(connection.execute(_FOLDER).scalar_one())
    except ProgrammingError:
        return "the server does not tell where its files are"
    if not folder.exists():
        return f"{size / (1 << 20):.0f} MiB; its disk is on another machine"
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise Trouble(
            f"Only {free / (1 << 20):.0f} MiB are free at {folder}, where PostgreSQL's files are.",
            "Free some room there before it is full: then nothing can be taken in or finished.",
        )
    return f"{size / (1 << 20):.0f} MiB, {free / (1 << 30):.0f} GiB free"


def check_clock(settings: Settings) -> str:
    """Compare this machine's clock with the database's."""
    with opened(settings) as db, db.transaction() as connection:
        connection.execute(sa.text("SELECT 1"))
        before = time.time()
        theirs = float(connection.execute(_CLOCK).scalar_one())
        ours = (before + time.time()) / 2
    skew = ours - theirs
    if abs(skew) > MOST_SKEW_S:
        raise Trouble(
            f"This machine's clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the database's.",
            "Let both take their time from NTP. Deadlines and leases go by the database's clock; logs, signatures "
            "of webhooks and TLS by this one.",
        )
    return f"{abs(skew) * 1000:.0f} ms between this machine and the database"


_CONNECTIONS = sa.text(
    """SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most"""
)
_SIZE = sa.text("SELECT pg_database_size(current_database())")
_FOLDER = sa.text("SELECT current_setting('data_directory')")
_CLOCK = sa.text("SELECT extract(epoch FROM clock_timestamp())")
