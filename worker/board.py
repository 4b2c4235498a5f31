"""One page of memory that a worker's parent and its child share: the wish to stop, and what the child is at.

The child writes, the parent's watch reads: a child that hangs in a library cannot notice it itself.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

import psutil

_STOP, _PID, _CHUNK, _STEP, _MEMORY = 0, 8, 16, 24, 32
_HAS_STATM = Path("/proc/self/statm").exists()
_INT, _TIME = struct.Struct("q"), struct.Struct("d")


class Board:
    """What the two tell each other; times are of the machine's monotonic clock, 0 is none."""

    def __init__(self) -> None:
        """Make it before the fork."""
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    @property
    def stopping_since(self) -> float:
        """Return when the parent was asked to stop."""
        return float(_TIME.unpack_from(self._page, _STOP)[0])

    def ask_to_stop(self) -> None:
        """Ask the child to finish its batch and hand back the rest; asking twice changes nothing."""
        if not self.stopping_since:
            _TIME.pack_into(self._page, _STOP, time.monotonic())

    @property
    def child(self) -> int:
        """Return the process id of the child, 0 while it starts."""
        return int(_INT.unpack_from(self._page, _PID)[0])

    def enter(self, pid: int) -> None:
        """Note the child, which is ready for work; 0 when there is none."""
        self.end()
        _INT.pack_into(self._page, _PID, pid)

    def begin(self, limit_s: float, memory_bytes: int) -> None:
        """Note that work on chunks begins: how long it may take, and by how much the process may grow."""
        _INT.pack_into(self._page, _MEMORY, resident_bytes() + memory_bytes if memory_bytes else 0)
        _TIME.pack_into(self._page, _CHUNK, time.monotonic() + limit_s)

    def end(self) -> None:
        """Note that nothing is in hand."""
        for place in (_STEP, _CHUNK):
            _TIME.pack_into(self._page, place, 0.0)
        _INT.pack_into(self._page, _MEMORY, 0)

    def step(self, limit_s: float) -> None:
        """Note that a library has one image or one batch, and for how long it may."""
        _TIME.pack_into(self._page, _STEP, time.monotonic() + limit_s)

    def step_done(self) -> None:
        """Note that it came back."""
        _TIME.pack_into(self._page, _STEP, 0.0)

    @property
    def is_busy(self) -> bool:
        """Tell whether the child has chunks in hand."""
        return bool(_TIME.unpack_from(self._page, _CHUNK)[0])

    def verdict(self) -> str | None:
        """Return what the child does too much of, if anything: `chunk_limit`, `item_limit` or `memory_limit`."""
        now = time.monotonic()
        for place, name in ((_STEP, "item_limit"), (_CHUNK, "chunk_limit")):
            over = _TIME.unpack_from(self._page, place)[0]
            if over and now > over:
                return name
        most = _INT.unpack_from(self._page, _MEMORY)[0]
        return "memory_limit" if most and resident_bytes(self.child) > most else None


def resident_bytes(pid: int | None = None) -> int:
    """Return the memory that a process holds now, not its peak; 0 when it is gone."""
    try:
        if _HAS_STATM:  # a tenth of the time that psutil takes, and it is asked often
            return int(Path(f"/proc/{pid or 'self'}/statm").read_bytes().split()[1]) * mmap.PAGESIZE
        return int(psutil.Process(pid or os.getpid()).memory_info().rss)
    except (OSError, psutil.Error):
        return 0
