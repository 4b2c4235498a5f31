"""Why something cannot be installed or removed, told to the person who asked."""

from __future__ import annotations


class Refused(Exception):
    """It cannot be done: `str()` says why, `fix` what to do."""

    def __init__(self, detail: str, fix: str = "") -> None:
        """Keep both texts."""
        super().__init__(detail)
        self.fix = fix
