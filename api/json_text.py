"""JSON as RFC 8259 wants it: UTF-8, finite numbers, and no name twice in one object."""

from __future__ import annotations

import json
from typing import Any

import orjson

from shared.errors import BadRequest, InvalidRequest

_OTHER = bytes(set(range(256)) - set(b'":'))
_SHOWN = 100


def load_json(text: bytes) -> Any:
    """Parse a JSON text.

    Raises:
        BadRequest: it is none: bad syntax, NaN, half surrogates, too deep.
        InvalidRequest: an object has a name twice, of which other readers would see only one.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest("The body is no valid JSON.") from error
    try:
        once = orjson.dumps(document)
    except orjson.JSONEncodeError as error:  # what it reads may be deeper than what it writes
        raise BadRequest("The body is JSON that is nested too deeply.") from error
    if _pairs(text) != _pairs(once):
        name = _repeated(text)
        raise InvalidRequest(errors=[{"loc": f"body.{name[:_SHOWN]}", "msg": "is given more than once"}])
    return document


def _pairs(text: bytes) -> int:
    """Count the name-value pairs of a valid text, the colons outside of strings, without parsing it again."""
    marks = text.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _OTHER)
    return b"".join(marks.split(b'"')[::2]).count(b":")


def _repeated(text: bytes) -> str:
    """Return the first name that an object has twice."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs if not found else ():
            if name in seen:
                found.append(name)
                return
            seen.add(name)

    json.loads(text, object_pairs_hook=look)
    return found[0]
