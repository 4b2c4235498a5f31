"""What a tenant, a scope, a key's name and its lifetime may be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from shared.errors import InvalidRequest

SCOPES = ("submit", "read", "review", "admin")
"""What a key may allow; `admin` includes the others."""
LONGEST_NAME = 200
LONGEST_LIFE_S = 100 * 365 * 86400.0
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_SPAN = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def checked_tenant(tenant: str) -> str:
    """Return a tenant's name.

    Raises:
        InvalidRequest: it is none.
    """
    if not _TENANT.fullmatch(tenant):
        raise _wrong("tenant", "is 1 to 63 of a-z, 0-9, _ and -, and begins with a letter or digit")
    return tenant


def checked_scopes(scopes: Sequence[str]) -> list[str]:
    """Return scopes in their order, each once.

    Raises:
        InvalidRequest: there is none, or one is unknown.
    """
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise _wrong("scopes", f"are one or several of {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in scopes]


def checked_name(name: str) -> str:
    """Return the name that tells people what a key is for.

    Raises:
        InvalidRequest: it is empty, too long, or not printable.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise _wrong("name", f"is 1 to {LONGEST_NAME} printable characters")
    return name.strip()


def lifetime_s(text: str | None) -> float | None:
    """Read `90d`, `12h`, `2w`, a date and time with its zone, or `never`; return seconds from now, None for ever.

    Raises:
        InvalidRequest: it is none of these, or not in the future.
    """
    if text is None or text == "never":
        return None
    match = _SPAN.fullmatch(text)
    seconds = float(int(match[1]) * _UNIT_S[match[2]]) if match else _until(text)
    if not 0 < seconds <= LONGEST_LIFE_S:
        raise _wrong("expires", "is to be in the future, within 100 years")
    return seconds


def _until(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(
            "expires", "is a span as 90d, 12h or 2w, a time as 2027-01-31T00:00:00Z, or never"
        ) from None
    return (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def _wrong(loc: str, msg: str) -> InvalidRequest:
    return InvalidRequest(f"`{loc}` {msg}.", errors=[{"loc": loc, "msg": msg}])
