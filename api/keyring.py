"""Who stands behind a key or a session, remembered for seconds; and whether the service is open.

What is remembered is at most `FRESH_S` old, counted from before the database was asked: a key that is revoked is
refused by every process within 5 s, and a key costs no query a request.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Generic, TypeVar
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from api.caller import Caller, SignedIn
from shared.db import Database
from shared.errors import InkqueueError, Unauthorized, Unavailable
from shared.keys.bootstrap import Bootstrapped, BootstrapRefused, bootstrap
from shared.keys.csrf import csrf_token
from shared.keys.sessions import KnownSession, end_session, find_session, note_seen
from shared.keys.store import KnownKey, any_key, find_key, note_use
from shared.keys.text import KeyText
from shared.logs import get_logger
from shared.settings import Settings

log = get_logger(__name__)

FRESH_S = 4.0
OPEN_S = 2.0
STALE_S = 900.0
"""How old an answer may be that shows why the database is away, and nothing else."""
PATIENCE_S = 2.0
MOST = 10_000
WRITE_S = 5.0
SAME_AGAIN_S = 60.0
ALL = frozenset({"admin"})

T = TypeVar("T")


class Remembered(Generic[T]):
    """Answers of the database by name; several who ask at once share one question."""

    def __init__(self, fresh_s: float) -> None:
        self._fresh_s = fresh_s
        self._found: OrderedDict[str, tuple[float, T]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[T]] = {}

    async def get(self, name: str, ask: Callable[[], T]) -> tuple[float, T]:
        """Return an answer and how old it is in seconds; ask in a thread when it is not fresh."""
        at, found = self._found.get(name, (0.0, None))
        if found is not None and time.monotonic() - at < self._fresh_s:
            return time.monotonic() - at, found
        task = self._asking.get(name)
        if task is None:
            task = asyncio.create_task(self._ask(name, ask))
            self._asking[name] = task
            task.add_done_callback(lambda done: self._asked(name, done))
        return 0.0, await asyncio.shield(task)

    def last(self, name: str, age_s: float) -> T | None:
        """Return the last answer if it is younger than this."""
        at, found = self._found.get(name, (0.0, None))
        return found if time.monotonic() - at < age_s else None

    def forget(self, name: str) -> None:
        """Ask anew next time."""
        self._found.pop(name, None)

    async def _ask(self, name: str, ask: Callable[[], T]) -> T:
        since = time.monotonic()
        found = await run_in_threadpool(ask)
        self._found[name] = (since, found)
        self._found.move_to_end(name)
        if len(self._found) > MOST:
            self._found.popitem(last=False)
        return found

    def _asked(self, name: str, done: asyncio.Task[T]) -> None:
        self._asking.pop(name, None)
        if not done.cancelled():
            done.exception()  # whoever asked has got it


class Keyring:
    """The keys of one process.

    Args:
        closed: this address is never open, whatever keys there are.
    """

    def __init__(self, db: Database, settings: Settings, *, closed: bool) -> None:
        self._db = db
        self._settings = settings
        self._first = settings.bootstrap_key.get_secret_value()
        self._closed = closed or bool(self._first)
        self._keys: Remembered[tuple[KnownKey | None]] = Remembered(FRESH_S)
        self._sessions: Remembered[tuple[KnownSession | None]] = Remembered(FRESH_S)
        self._any: Remembered[tuple[bool]] = Remembered(OPEN_S)
        self._used: set[UUID] = set()
        self._seen: set[UUID] = set()
        self._written: dict[UUID, float] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Make the first key if one is set, and write down in the background what is used."""
        self._task = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Stop, and write down what was used last."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write()

    async def is_open(self) -> bool:
        """Tell whether everybody may do everything: no key was ever made, and only this machine can ask.

        Raises:
            Unavailable: the database cannot say, and never could.
        """
        if self._closed:
            return False
        (found,) = self._any.last("", OPEN_S) or await self._ask_any()
        self._closed = self._closed or found
        return not self._closed

    async def _ask_any(self) -> tuple[bool]:
        """Ask whether there was ever a key; while the database is away what was known before goes on."""
        known = self._any.last("", STALE_S)
        try:
            _, found = await asyncio.wait_for(self._any.get("", lambda: (any_key(self._db),)), PATIENCE_S)
        except (TimeoutError, Unavailable):
            if known is None:
                raise Unavailable("The database cannot be reached at the moment.") from None
            return known
        return found

    async def caller_of_key(self, key: KeyText, *, stale: bool = False) -> Caller:
        """Return who shows this key.

        Args:
            stale: an old answer will do while the database is away.

        Raises:
            Unauthorized: it is unknown, wrong, revoked or expired; which of these is not told.
        """
        try:
            age, (known,) = await self._keys.get(key.prefix, lambda: (find_key(self._db, key.prefix),))
        except Unavailable:
            old = self._keys.last(key.prefix, STALE_S) if stale else None
            if old is None:
                raise
            age, known = 0.0, old[0]
        right = compare_digest(known.digest if known is not None else b"\0" * 32, key.digest)
        if known is None or not right or (known.left_s is not None and known.left_s <= age):
            raise Unauthorized()
        self._used.add(known.id)
        return Caller(known.tenant, frozenset(known.scopes), known.id)

    async def caller_of_session(self, session_id: str) -> Caller:
        """Return who signed in.

        Raises:
            Unauthorized: the session has ended, or its key was revoked or has expired.
        """

        def ask() -> tuple[KnownSession | None]:
            return (find_session(self._db, session_id, self._settings.session_idle_s),)

        age, (known,) = await self._sessions.get(session_id, ask)
        if known is None or known.left_s <= age:
            raise Unauthorized()
        self._used.add(known.key_id)
        self._seen.add(known.id)
        return Caller(
            known.tenant, frozenset(known.scopes), known.key_id, signed_in=SignedIn(csrf_token(session_id))
        )

    async def sign_out(self, session_id: str) -> None:
        """End a session: here at once, elsewhere within seconds."""
        await run_in_threadpool(end_session, self._db, session_id)
        self._sessions.forget(session_id)

    async def _work(self) -> None:
        while self._first:
            if await self._quietly(self._begin):
                break
            await asyncio.sleep(PATIENCE_S)
        while True:
            await asyncio.sleep(WRITE_S)
            await self._quietly(self._write)

    async def _begin(self) -> None:
        try:
            outcome = await run_in_threadpool(bootstrap, self._db, self._first)
        except BootstrapRefused as error:
            log.error("bootstrap_key_refused", why=error.detail)
            return
        level = log.info if outcome in (Bootstrapped.MADE, Bootstrapped.THERE) else log.warning
        level("bootstrap_key", outcome=str(outcome))

    async def _write(self) -> None:
        """Write down what was used, each at most once a minute."""
        used, self._used = self._due(self._used), set()
        seen, self._seen = self._due(self._seen), set()
        if used:
            await run_in_threadpool(note_use, self._db, used)
        if seen:
            await run_in_threadpool(note_seen, self._db, seen)
        self._written |= dict.fromkeys(used | seen, time.monotonic())

    def _due(self, ids: set[UUID]) -> set[UUID]:
        now = time.monotonic()
        self._written = {one: at for one, at in self._written.items() if now - at < SAME_AGAIN_S}
        return ids - self._written.keys()

    async def _quietly(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do what can wait; whatever fails is tried again later."""
        try:
            await work()
        except InkqueueError as error:
            log.warning("keys_not_written", why=error.detail)
            return False
        except Exception:  # a defect here must not end the task that writes for all
            log.exception("keys_failed")
            return False
        return True
