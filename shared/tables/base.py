"""What all tables share: the catalogue, and the kinds of columns."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

NOW = sa.text("clock_timestamp()")
UUID7 = sa.text("uuidv7()")
AT = sa.DateTime(timezone=True)


def one_of(column: str, *values: str) -> sa.CheckConstraint:
    """Make the CHECK that stands in for an enum: text that may only be one of these."""
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def count(name: str) -> sa.Column[int]:
    """Make a column that counts from zero."""
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")
