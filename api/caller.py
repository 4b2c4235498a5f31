"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SignedIn:
    """How a person at a page is known: by a cookie, so that changes need the session's token.

    `proved` says that the token came in a header already; a form has it in a field.
    """

    csrf: str = field(repr=False)
    proved: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: whose things are seen and what may be done.

    `open` says that the service has no keys, so that everybody who reaches it may do everything.
    """

    tenant: str = "default"
    scopes: frozenset[str] = frozenset()
    key_id: UUID | None = None
    open: bool = False
    signed_in: SignedIn | None = None

    def may(self, scope: str) -> bool:
        """Tell whether the caller has a scope; `admin` includes all others."""
        return scope in self.scopes or "admin" in self.scopes
