"""What arrives before its job is made: rows that precede the bytes, objects that nobody refers to yet."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.db import Database
from shared.errors import Unavailable
from shared.jobs.binding import array_of
from shared.jobs.quotas import Admit
from shared.status import InputState


class GivenUp(Unavailable):
    """Rows of this upload were collected, so nothing of it was kept: objects that came late are to be removed."""

    default = "The upload took too long and was given up. Please send it again."


def begin_input(
    db: Database,
    tenant: str,
    name: str,
    content_type: str | None,
    upload: UUID | None = None,
    admit: Admit | None = None,
) -> tuple[UUID, str]:
    """Insert the row that precedes an upload's first byte; return its id and the storage key to write to.

    Args:
        upload: what the files of one request share, so that requests at once can be counted.
        admit: called in the transaction; raises when the tenant may not have this upload.
    """

    def work(connection: sa.Connection) -> UUID:
        if admit is not None:
            admit(connection)
        values = {"tenant": tenant, "name": name, "type": content_type, "upload": upload}
        made: UUID = connection.execute(_BEGIN, values).scalar_one()
        return made

    input_id = db.run(work)
    return input_id, storage_key(input_id)


def storage_key(input_id: UUID) -> str:
    """Return where the object of this input lives."""
    return f"inputs/{input_id.hex[-2:]}/{input_id.hex}"


def abandon_inputs(db: Database, input_ids: list[UUID]) -> None:
    """Hand inputs that no job will have over to the steward, which removes their objects."""
    if input_ids:
        with db.transaction() as connection:
            abandon(connection, input_ids)


def abandon(connection: sa.Connection, ids: list[UUID]) -> None:
    """Leave each input to the collector; one that was collected before its object was there gets a tombstone.

    A row that a job has meanwhile keeps its object. That is asked in a statement of its own, after the first has
    waited for whoever attached it.
    """
    given_up = set(connection.execute(_ABANDON, {"ids": ids}).scalars())
    late = [i for i in ids if i not in given_up]
    if late:
        connection.execute(_BURY, {"ids": late, "keys": [storage_key(i) for i in late]})


def reserve_object(db: Database, key: str, seconds: float = 3600.0) -> None:
    """Note an object that is about to be written: unless `keep_object` comes in time, it is removed again."""
    with db.transaction() as connection:
        connection.execute(_RESERVE, {"key": key, "seconds": seconds})


def stored_keys(db: Database) -> list[str]:
    """Return the keys of some objects that must be in the storage: none before the first, so its folder may be made."""
    with db.statement() as connection:
        return list(connection.execute(_STORED_KEYS).scalars())


def keep_object(connection: sa.Connection, key: str) -> None:
    """Take back the reservation in the transaction that begins to refer to the object."""
    if connection.execute(_KEEP, {"key": key}).rowcount != 1:
        raise GivenUp()


_BEGIN = sa.text(
    f"""INSERT INTO inputs (id, tenant, state, name, content_type, upload, storage_key)
    SELECT i.id, :tenant, '{InputState.RECEIVING}', :name, :type, :upload,
        'inputs/' || right(replace(i.id::text, '-', ''), 2) || '/' || replace(i.id::text, '-', '')
    FROM (SELECT uuidv7() AS id) i RETURNING id"""
).bindparams(sa.bindparam("upload", type_=pg.UUID()))
_ABANDON = sa.text(
    "UPDATE inputs SET state = 'collecting' WHERE id = ANY (:ids) AND state = 'receiving' RETURNING id"
).bindparams(array_of("ids", pg.UUID()))
_BURY = sa.text(
    """INSERT INTO tombstones (key) SELECT u.key FROM unnest(:ids, :keys) AS u (id, key)
    WHERE NOT EXISTS (SELECT FROM inputs i WHERE i.id = u.id AND i.state = 'attached') ON CONFLICT DO NOTHING"""
).bindparams(array_of("ids", pg.UUID()), array_of("keys", sa.Text()))
_RESERVE = sa.text(
    """INSERT INTO tombstones (key, not_before)
    VALUES (:key, clock_timestamp() + :seconds * interval '1 second')
    ON CONFLICT (key) DO UPDATE SET not_before = excluded.not_before"""
)
_STORED_KEYS = sa.text(
    f"""(SELECT storage_key FROM inputs WHERE state = '{InputState.ATTACHED}' AND inline IS NULL
        AND storage_key IS NOT NULL LIMIT 20)
    UNION ALL (SELECT storage_key FROM manifests WHERE storage_key IS NOT NULL LIMIT 20)"""
)
_KEEP = sa.text("DELETE FROM tombstones WHERE key = :key AND not_before > clock_timestamp()")
