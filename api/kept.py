"""Keep answers of ended jobs in the process for a while, bounded by their bytes and their age."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable

MOST_BYTES = 32 * 1024 * 1024
LONGEST_S = 600.0


class Kept:
    """Bytes by key, those asked for last; safe to use from several threads."""

    def __init__(self, most_bytes: int = MOST_BYTES, longest_s: float = LONGEST_S) -> None:
        """Begin empty; one value takes a quarter of `most_bytes` at most."""
        self._most_bytes, self._longest_s = most_bytes, longest_s
        self._values: OrderedDict[Hashable, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> bytes | None:
        """Return what was put, unless it is too old or gave way to others."""
        with self._lock:
            until, value = self._values.get(key, (0.0, b""))
            if until <= time.monotonic():
                self._drop(key)
                return None
            self._values.move_to_end(key)
            return value

    def put(self, key: Hashable, value: bytes) -> None:
        """Keep a value; what was not asked for the longest gives way."""
        if len(value) > self._most_bytes // 4:
            return
        with self._lock:
            self._drop(key)
            self._values[key] = (time.monotonic() + self._longest_s, value)
            self._bytes += len(value)
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._values)))

    def _drop(self, key: Hashable) -> None:
        _, value = self._values.pop(key, (0.0, b""))
        self._bytes -= len(value)
