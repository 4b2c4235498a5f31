"""What a check finds, and how checks are run: each by itself, so that one failure hides no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from shared.db import Database
from shared.errors import InkqueueError
from shared.settings import Settings


@dataclass(frozen=True)
class Finding:
    """One check's outcome; `fix` is empty when all is well."""

    check: str
    ok: bool
    detail: str
    fix: str = ""
    seconds: float = 0.0


class Trouble(Exception):
    """Something is wrong: `str()` says what, `fix` what to do."""

    def __init__(self, detail: str, fix: str) -> None:
        """Keep both texts."""
        super().__init__(detail)
        self.fix = fix


Check = Callable[[Settings], str]


def examine(settings: Settings, checks: Sequence[tuple[str, Check]]) -> list[Finding]:
    """Run every check."""
    return [_run(name, check, settings) for name, check in checks]


def _run(name: str, check: Check, settings: Settings) -> Finding:
    began = time.monotonic()
    try:
        detail, fix, ok = check(settings), "", True
    except Trouble as trouble:
        detail, fix, ok = str(trouble), trouble.fix, False
    except Exception as error:  # the doctor reports; a check that breaks is a finding too
        detail, fix, ok = f"The check itself failed: {error}", "Please report this.", False
    return Finding(name, ok, detail, fix, round(time.monotonic() - began, 3))


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """Lend the database.

    Raises:
        Trouble: it cannot be asked; the check `database` says more.
    """
    db = Database(settings.sqlalchemy_url, "tool", 1)
    try:
        yield db
    except InkqueueError as error:
        raise Trouble("Unknown: the database cannot be asked.", "See `database`.") from error
    finally:
        db.close()


def hidden(url: str) -> str:
    """Return an address without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":…@", 1)))
