"""Resolution of names with a time limit: the system's resolver knows none, so it works in threads of its own."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from ipaddress import ip_address

from shared.outbound.addresses import Address

Resolver = Callable[[str], Sequence[str]]
"""From a name to its addresses as text; raises OSError when there are none."""

MOST_THREADS = 64


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
    return _threads.start(lambda: [ip_address(text) for text in resolve(name)])


class _Threads:
    """At most `MOST_THREADS` daemon threads: a resolver that hangs keeps no process from ending."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Future[list[Address]], Callable[[], list[Address]]]]
        self._waiting = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running = 0
        self._idle = 0

    def start(self, work: Callable[[], list[Address]]) -> Future[list[Address]]:
        """Queue a piece of work, with one more thread when none is idle."""
        future: Future[list[Address]] = Future()
        self._waiting.put((future, work))
        with self._lock:
            if self._idle < self._waiting.qsize() and self._running < MOST_THREADS:
                self._running += 1
                threading.Thread(target=self._serve, name="lookup", daemon=True).start()
        return future

    def _serve(self) -> None:
        """Do what is queued, one after the other, and end after a quiet while."""
        while True:
            with self._lock:
                self._idle += 1
            try:
                future, work = self._waiting.get(timeout=30)
            except queue.Empty:
                with self._lock:
                    self._idle -= 1
                    if self._waiting.empty():
                        self._running -= 1
                        return
                continue
            with self._lock:
                self._idle -= 1
            _fulfil(future, work)


def _fulfil(future: Future[list[Address]], work: Callable[[], list[Address]]) -> None:
    """Do one piece of work unless it was given up."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)


_threads = _Threads()
