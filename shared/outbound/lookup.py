"""Resolution of names with a time limit: the system's resolver knows none, so it works in threads of its own."""

from __future__ import annotations

import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from ipaddress import ip_address

from shared.outbound.addresses import Address

Resolver = Callable[[str], Sequence[str]]
"""From a name to its addresses as text; raises OSError when there are none."""

MOST_THREADS = 64
MOST_EACH = 8
QUIET_S = 30.0
_Piece = tuple[Future[list[Address]], Callable[[], list[Address]]]


def resolve_by_system(name: str) -> list[str]:
    """Return every address of a name as text, as the system resolves it.

    Raises:
        OSError: the name is unknown, or the resolver did not answer.
    """
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError("the name cannot be looked up") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def start_lookup(name: str, resolve: Resolver) -> Future[list[Address]]:
    """Resolve a name in a thread; cancelling the future before its turn drops it."""
    return _threads.start(owner_of(name), lambda: [ip_address(text) for text in resolve(name)])


def owner_of(name: str) -> str:
    """Return the part of a name that somebody has registered, or nearly: whose servers may hang is one owner's."""
    labels = name.rstrip(".").split(".")
    return ".".join(labels[-3:] if len(labels) > 2 and len(labels[-2]) <= 3 else labels[-2:])


class _Threads:
    """At most `MOST_THREADS` daemon threads: a resolver that hangs keeps no process from ending.

    Owners of names take turns, and one has at most `MOST_EACH` threads: servers that never answer hold up no others.
    """

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._waiting: dict[str, deque[_Piece]] = {}
        self._busy: Counter[str] = Counter()
        self._pending = 0
        self._running = 0
        self._idle = 0

    def start(self, owner: str, work: Callable[[], list[Address]]) -> Future[list[Address]]:
        """Queue a piece of work, with one more thread when none is idle."""
        future: Future[list[Address]] = Future()
        with self._ready:
            self._waiting.setdefault(owner, deque()).append((future, work))
            self._pending += 1
            self._ready.notify()
            if self._idle < self._pending and self._running < MOST_THREADS:
                self._running += 1
                threading.Thread(target=self._serve, name="lookup", daemon=True).start()
        return future

    def _serve(self) -> None:
        """Do what is queued, one after the other, and end after a quiet while."""
        while True:
            with self._ready:
                self._idle += 1
                taken = self._ready.wait_for(self._take, timeout=QUIET_S)
                self._idle -= 1
                if taken is None:
                    self._running -= 1
                    return
            owner, (future, work) = taken
            _fulfil(future, work)
            with self._ready:
                self._busy -= Counter([owner])

    def _take(self) -> tuple[str, _Piece] | None:
        """Take the next piece of the first owner who may have one more thread; he is the last then."""
        owner = next((one for one in self._waiting if self._busy[one] < MOST_EACH), None)
        if owner is None:
            return None
        queue = self._waiting.pop(owner)
        piece = queue.popleft()
        if queue:
            self._waiting[owner] = queue
        self._pending -= 1
        self._busy[owner] += 1
        return owner, piece


def _fulfil(future: Future[list[Address]], work: Callable[[], list[Address]]) -> None:
    """Do one piece of work unless it was given up."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)


_threads = _Threads()
