"""`Idempotency-Key`: bare, or quoted as a string of structured fields (RFC 8941, 3.3.3)."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header, Request

from shared.errors import FieldError, InvalidRequest

_BARE = r"[!#-~](?:[ -~]{0,253}[!#-~])?"
_QUOTED = r'"(?:[ !#-\[\]-~]|\\["\\]){1,255}"'
_FORM = re.compile(f"{_BARE}|{_QUOTED}")
_NAME = "header.Idempotency-Key"


async def idempotency_key(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="A repeat with it gets the first job. 1 to 255 printable ASCII characters, quoted or bare,"
            " kept for 24 h.",
            json_schema_extra={"pattern": f"^(?:{_BARE}|{_QUOTED})$"},
        ),
    ] = None,
) -> str | None:
    """Return the key without its quotes; None when there is none.

    Raises:
        InvalidRequest: it is no key, or there are two.
    """
    given = request.headers.getlist("idempotency-key")
    if len(given) > 1:
        raise InvalidRequest(errors=[FieldError(loc=_NAME, msg="is given more than once")])
    return sound_key(given[0]) if given else None


def sound_key(header: str) -> str:
    """Return a key without its quotes: `"a"` and `a` are the same key.

    Raises:
        InvalidRequest: it is empty, too long, badly quoted, or not printable ASCII.
    """
    text = header.strip(" \t")
    if not _FORM.fullmatch(text):
        raise InvalidRequest(
            errors=[FieldError(loc=_NAME, msg="is to be 1 to 255 printable ASCII characters, quoted or bare")]
        )
    return re.sub(r'\\(["\\])', r"\1", text[1:-1]) if text.startswith('"') else text


Once = Annotated[str | None, Depends(idempotency_key)]
