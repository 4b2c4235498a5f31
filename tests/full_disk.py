"""A disk that is full from the n-th write on: every call of `shared.blobs_local` that needs room goes through here."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import Any

STEPS = frozenset({"open", "write", "fsync", "rename", "mkdir"})


class FullDisk:
    """Stands in for the module `os`; counts the calls that need room and fails from one of them on.

    Args:
        room: how many of these calls succeed; None for all.
        error: what the system says afterwards.
    """

    def __init__(self, room: int | None, error: int = errno.ENOSPC) -> None:
        self._left = room
        self._error = error
        self._lock = threading.Lock()
        self.calls: list[str] = []
        self.failed = 0

    def free(self) -> None:
        """Make room again."""
        with self._lock:
            self._left = None

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._guarded(name, real) if name in STEPS else real

    def _guarded(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and not args[1] & os.O_CREAT:
                return real(*args, **kwargs)
            with self._lock:
                self.calls.append(name)
                if self._left == 0:
                    self.failed += 1
                    raise OSError(self._error, os.strerror(self._error))
                if self._left is not None:
                    self._left -= 1
            return real(*args, **kwargs)

        return call
