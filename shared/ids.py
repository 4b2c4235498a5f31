"""Ids as clients see them: a prefix and a UUIDv7 in lowercase hex."""

from __future__ import annotations

import base64
import re
from uuid import UUID

from shared.errors import InvalidRequest, NotFound

JOB_ID_PATTERN = "^job_[0-9a-f]{32}$"
_HEX = re.compile(r"[0-9a-f]{32}")
CURSOR_PATTERN = "^[A-Za-z0-9_-]{22}$"
KEY_CURSOR_PATTERN = "^[vo][A-Za-z0-9_-]{22}$"
_CURSOR = re.compile(CURSOR_PATTERN)


def job_id_text(job_id: UUID) -> str:
    """Return how clients see the id of a job."""
    return f"job_{job_id.hex}"


def parse_job_id(text: str) -> UUID:
    """Read a job's id.

    Raises:
        NotFound: it is none, so nothing is there.
    """
    return _parsed(text, "job_", "job")


def delivery_id_text(delivery_id: UUID) -> str:
    """Return how clients see the id of a webhook's delivery; receivers get it as `webhook-id`."""
    return f"whd_{delivery_id.hex}"


def parse_delivery_id(text: str) -> UUID:
    """Read a delivery's id.

    Raises:
        NotFound: it is none, so nothing is there.
    """
    return _parsed(text, "whd_", "delivery")


def key_id_text(key_id: UUID) -> str:
    """Return how clients see the id of a key, which tells nothing of its secret."""
    return f"key_{key_id.hex}"


def parse_key_id(text: str) -> UUID:
    """Read a key's id.

    Raises:
        NotFound: it is none, so nothing is there.
    """
    return _parsed(text, "key_", "key")


def cursor_text(last_id: UUID) -> str:
    """Return the cursor of the page that follows this job or delivery."""
    return base64.urlsafe_b64encode(last_id.bytes).decode().rstrip("=")


def parse_cursor(text: str) -> UUID:
    """Read a cursor.

    Raises:
        InvalidRequest: it was not given out by this service.
    """
    if not _CURSOR.fullmatch(text):
        raise InvalidRequest(errors=[{"loc": "query.cursor", "msg": "is no cursor of this service"}])
    return UUID(bytes=base64.urlsafe_b64decode(text + "=="))


def key_cursor_text(last_id: UUID, *, valid: bool) -> str:
    """Return the cursor of the page that follows this key: it tells as well among which keys the page ended."""
    return ("v" if valid else "o") + cursor_text(last_id)


def parse_key_cursor(text: str) -> tuple[bool, UUID]:
    """Read whether the page ended among valid keys, and with which.

    Raises:
        InvalidRequest: it was not given out by this service.
    """
    return text[:1] == "v", parse_cursor(text[1:] if text[:1] in ("v", "o") else "")


def _parsed(text: str, prefix: str, thing: str) -> UUID:
    number = text.removeprefix(prefix)
    if number == text or not _HEX.fullmatch(number):
        raise NotFound(f"There is no {thing} with this id.")
    return UUID(number)
