"""Which jobs need a model version."""

from __future__ import annotations

import sqlalchemy as sa

from shared.db import Database


def unfinished_with(db: Database, name: str, version: str, *, last: bool) -> int:
    """Count jobs that have not ended and are bound to a version.

    With `last`, jobs that name the model alone and have not been given a version yet count too: this one is all
    that is left for them.
    """
    with db.transaction() as connection:
        values = {"name": name, "version": version, "last": last}
        return int(connection.execute(_UNFINISHED, values).scalar_one())


_UNFINISHED = sa.text(
    """SELECT count(*) FROM jobs WHERE status IN ('validating', 'queued', 'running', 'canceling')
        AND model_name = :name AND (model_version = :version OR (:last AND model_version IS NULL))"""
)
