"""Lists of items in an address: their numbers, separated by commas."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from shared.errors import InvalidRequest

Seqs = Annotated[
    str,
    Query(
        description="Numbers of items, separated by commas.",
        examples=["3,17,4"],
        max_length=6000,
        pattern=r"^[0-9]{1,10}(,[0-9]{1,10}){0,499}$",
    ),
]
"""Up to 500 of them."""


def numbers(text: str) -> list[int]:
    """Read a list that has the pattern, in its order.

    Raises:
        InvalidRequest: a number stands there twice.
    """
    wanted = [int(one) for one in text.split(",")]
    if len(set(wanted)) != len(wanted):
        raise InvalidRequest(errors=[{"loc": "query.seqs", "msg": "holds a number more than once"}])
    return wanted
