"""Bring the database to the newest schema: `python -m shared.migrate [REVISION]`."""

from __future__ import annotations

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, pool, text

from shared.settings import get_settings

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"
_ONE_AT_A_TIME = 0x696E6B71  # "inkq": two containers that start together must not migrate at once


def alembic_config() -> Config:
    """Return Alembic's configuration, wherever the package is installed."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    return config


def migrate(sqlalchemy_url: str, revision: str = "head") -> None:
    """Migrate to this revision; a second process that does the same waits and finds nothing to do.

    Args:
        sqlalchemy_url: address with the driver in it, `postgresql+psycopg://…`.
        revision: an Alembic revision; `-…` and `base` go down.
    """
    engine = create_engine(sqlalchemy_url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ONE_AT_A_TIME})
        connection.commit()
        config = alembic_config()
        config.attributes["connection"] = connection
        if revision == "base" or revision.startswith("-"):
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)
        connection.commit()
        if revision == "head":  # after a long rest the partitions of today are not there yet
            connection.execute(text("SELECT inkqueue_make_partitions(4)"))
            connection.commit()


def main() -> None:
    """Migrate the database of the settings."""
    migrate(get_settings().sqlalchemy_url, *sys.argv[1:2])


if __name__ == "__main__":
    main()
