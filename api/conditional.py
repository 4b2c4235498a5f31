"""What a client has already, and how it wants the rest packed."""

from __future__ import annotations

import re

_NO_GZIP = re.compile(r"(?:^|,)\s*(?:gzip|\*)\s*;\s*q=0(?:\.0*)?\s*(?:,|$)")


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Compare entity tags weakly (RFC 9110, 8.8.3.2)."""
    if if_none_match is None:
        return False
    opaque = tag.removeprefix("W/")
    given = (part.strip().removeprefix("W/") for part in if_none_match.split(","))
    return if_none_match.strip() == "*" or opaque in given


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Tell whether an answer may be packed (RFC 9110, 12.5.3)."""
    asked = (accept_encoding or "").lower()
    return "gzip" in asked and not _NO_GZIP.search(asked)
