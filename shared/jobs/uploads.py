"""Keep the rows of an upload that is still arriving from being collected."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.db import Database
from shared.errors import Unavailable


def touch_inputs(db: Database, ids: Sequence[UUID]) -> None:
    """Note that the upload these inputs belong to goes on; all of them stay.

    Raises:
        Unavailable: one was collected meanwhile, so the upload is lost.
    """
    if not ids:
        return
    with db.transaction() as connection:
        touched = connection.execute(_TOUCH, {"ids": list(ids)}).rowcount
    if touched != len(ids):
        raise Unavailable("The upload stood still for too long and was given up. Please send it again.")


_TOUCH = sa.text(
    "UPDATE inputs SET touched_at = clock_timestamp() WHERE id = ANY (:ids) AND state = 'receiving'"
).bindparams(sa.bindparam("ids", type_=pg.ARRAY(pg.UUID())))
