"""Under which address others reach this service, for commands that people copy."""

from __future__ import annotations

import re

from starlette.requests import Request

from shared.settings import Settings

_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?")


def address_of(request: Request, settings: Settings) -> str:
    """Return the public address, else the one that was asked; one that no shell needs to quote."""
    public = settings.public_url.strip().rstrip("/")
    asked = str(request.base_url).rstrip("/")
    return public or (asked if _ORIGIN.fullmatch(asked) else f"http://127.0.0.1:{settings.port}")
