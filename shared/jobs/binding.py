"""Bind lists as arrays of a known type, so that an empty one has a type too."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg


def array_of(name: str, kind: sa.types.TypeEngine[Any]) -> sa.BindParameter[Any]:
    """Return the parameter of this name as an array of `kind`."""
    return sa.bindparam(name, type_=pg.ARRAY(kind))
