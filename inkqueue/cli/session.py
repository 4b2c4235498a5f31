"""What every command starts from: which service, which key, how talkative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from inkqueue.client import Client


@dataclass(frozen=True, slots=True)
class Session:
    """The global options."""

    url: str | None
    api_key: str | None
    quiet: bool

    def client(self) -> Client:
        """Return a client; what was not given comes from the environment."""
        from inkqueue.client import Client

        return Client(self.url, self.api_key)


def session_of(ctx: typer.Context) -> Session:
    """Return the session that the command runs in."""
    session = ctx.obj
    assert isinstance(session, Session)
    return session
