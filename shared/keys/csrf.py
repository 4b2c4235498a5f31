"""The token that a page's forms carry, so that no other page can post in its name."""

from __future__ import annotations

import base64
import hashlib
import hmac


def csrf_token(session_id: str) -> str:
    """Return the token of a session; who knows the stored hash of the session cannot make it."""
    digest = hmac.digest(session_id.encode(), b"inkqueue csrf", hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
