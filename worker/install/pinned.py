"""Ask the database which unfinished jobs need a version."""

from __future__ import annotations

from collections.abc import Callable

from shared.db import Database
from shared.errors import InkqueueError
from shared.jobs.models import unfinished_with
from shared.settings import Settings
from worker.install.refusal import Refused


def checker(settings: Settings, *, force: bool) -> Callable[[str, str, bool], None]:
    """Return a function that refuses when an unfinished job needs a version.

    An installation that names no database has no jobs. With `force` a database that does not answer is no obstacle;
    a job that needs the version always is.
    """

    def check(name: str, version: str, last: bool) -> None:
        if "database_url" not in settings.model_fields_set:
            return
        db = Database(settings.sqlalchemy_url, "tool", 1)
        try:
            count = unfinished_with(db, name, version, last=last)
        except InkqueueError as error:
            if force:
                return
            raise Refused(
                f"The database does not answer, so nobody knows whether a job needs {name}@{version}.",
                "Start it (`inkqueue up`), or use --force if no job is unfinished.",
            ) from error
        finally:
            db.close()
        if count:
            jobs = "job needs" if count == 1 else "jobs need"
            raise Refused(
                f"{count} unfinished {jobs} {name}@{version}.", "Wait for their end, or cancel them first."
            )

    return check
