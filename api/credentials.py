"""Read the key and the session that a request carries. Nothing is taken from the address: addresses get logged."""

from __future__ import annotations

import re
from hmac import compare_digest

from starlette.types import Scope

from shared.errors import Unauthorized
from shared.keys.text import KeyText, parse_key

_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([\x21-\x7e]{1,200}) *")
_BARE = re.compile(rb" *([\x21-\x7e]{1,200}) *")
SECURE_COOKIE = "__Host-inkqueue"
PLAIN_COOKIE = "inkqueue"


def has_key(scope: Scope) -> bool:
    """Tell whether a request tries to show a key."""
    return any(name in (b"authorization", b"x-api-key") for name, _ in scope["headers"])


def key_of(scope: Scope) -> KeyText | None:
    """Return the key of `Authorization: Bearer` (RFC 6750, 2.1) or `X-API-Key`; None when there is neither.

    Raises:
        Unauthorized: a header is not of this form, comes twice, or the two differ.
        KeyMalformed: the text is no key of this service.
    """
    bearer = _only(scope, b"authorization")
    bare = _only(scope, b"x-api-key")
    if bearer is None and bare is None:
        return None
    given = [_matched(_BEARER, bearer)] if bearer is not None else []
    given += [_matched(_BARE, bare)] if bare is not None else []
    if len(given) == 2 and not compare_digest(*given):
        raise Unauthorized("`Authorization` and `X-API-Key` hold different keys. Send one of them.")
    return parse_key(given[0].decode("ascii"))


def _only(scope: Scope, name: bytes) -> bytes | None:
    """Return the one header of this name."""
    values = [value for key, value in scope["headers"] if key == name]
    if len(values) > 1:
        raise Unauthorized(f"The header `{name.decode()}` came more than once.")
    return values[0] if values else None


def _matched(form: re.Pattern[bytes], value: bytes) -> bytes:
    match = form.fullmatch(value)
    if match is None:
        raise Unauthorized("Send the API key as `Authorization: Bearer ik_…` or as `X-API-Key: ik_…`.")
    return match[1]


def cookie_of(scope: Scope, name: str) -> str | None:
    """Return the one cookie of this name; several of a name are none, since another site may have set one."""
    found = [
        value.strip()
        for header, line in scope["headers"]
        if header == b"cookie"
        for part in line.decode("latin-1").split(";")
        for key, _, value in [part.partition("=")]
        if key.strip() == name
    ]
    return found[0] if len(found) == 1 else None
