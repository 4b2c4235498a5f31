"""Who may do what: every route names its scope by a dependency of this module."""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest
from typing import Annotated, Any, Literal

from fastapi import Depends

from api.services import By, Caller
from shared.errors import Forbidden

OPERATOR = "default"
"""The tenant of those who run the service."""
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


def check_form(caller: Caller, token: str | None) -> None:
    """Compare the token in a form's field, where the caller is known by a cookie alone.

    Raises:
        Forbidden: it is missing or another session's.
    """
    person = caller.signed_in
    if person is None or person.proved:
        return
    if not compare_digest((token or "").encode(), person.csrf.encode()):
        raise Forbidden("The page's token is missing or out of date. Load the page again.")


@dataclass(frozen=True, slots=True)
class NeedOperator:
    """The dependency of what tells of all tenants together: only those who run the service see it."""

    async def __call__(self, caller: Annotated[Caller, need("read")]) -> Caller:
        """Return the caller.

        Raises:
            Unauthorized: nobody known asks.
            Forbidden: the key lacks the scope, or is another tenant's than the operator's.
        """
        if caller.tenant != OPERATOR:
            raise Forbidden(f"This tells of all tenants; it needs a key of the tenant `{OPERATOR}`.")
        return caller


Submitter = Annotated[Caller, need("submit")]
Reader = Annotated[Caller, need("read")]
Reviewer = Annotated[Caller, need("review")]
Admin = Annotated[Caller, need("admin")]
Operator = Annotated[Caller, Depends(NeedOperator())]
