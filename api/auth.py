"""Who may do what: every route names its scope by a dependency of this module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends

from api.services import By, Caller
from shared.errors import Forbidden

Scope = Literal["submit", "read", "review", "admin"]


@dataclass(frozen=True, slots=True)
class Need:
    """The dependency that lets only callers of one scope through."""

    scope: Scope

    async def __call__(self, caller: By) -> Caller:
        """Return the caller.

        Raises:
            Unauthorized: nobody known asks.
            Forbidden: the key lacks the scope.
        """
        if not caller.may(self.scope):
            raise Forbidden(f"This API key lacks the scope `{self.scope}`.")
        return caller


def need(scope: Scope) -> Any:
    """Give a route its caller, who has this scope."""
    return Depends(Need(scope))


Submitter = Annotated[Caller, need("submit")]
Reader = Annotated[Caller, need("read")]
Reviewer = Annotated[Caller, need("review")]
Admin = Annotated[Caller, need("admin")]
