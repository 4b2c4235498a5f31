"""The thread of a worker's parent that ends a child which takes too long or too much memory.

It reads shared memory and `/proc` and sends signals, nothing else: children are forked from this process while it
runs, and a lock that it held then would stay locked in them for ever.
"""

from __future__ import annotations

import os
import signal
import threading
import time

import psutil

from shared.logs import get_logger
from worker.board import Board

log = get_logger(__name__)
LOOK_S = 0.05


class Watch:
    """Looks at the board of one worker.

    Args:
        stop_grace_s: seconds after the wish to stop at which a child that is still busy is killed.
    """

    def __init__(self, board: Board, stop_grace_s: float) -> None:
        self._board, self._stop_grace_s = board, stop_grace_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def look(self) -> str | None:
        """Kill the child where it must be; return why."""
        child = self._board.child
        if not child:
            return None
        reason = self._late() or self._board.verdict()
        if reason is None or not _is_ours(child):
            return None
        log.error("worker_child_killed", pid=child, reason=reason)
        self._board.enter(0)
        os.kill(child, signal.SIGKILL)
        return reason

    def _late(self) -> str | None:
        """Tell whether the child is busy although it should have stopped long ago."""
        since = self._board.stopping_since
        late = since and self._board.is_busy and time.monotonic() > since + self._stop_grace_s
        return "stop_grace" if late else None

    def _run(self) -> None:
        """Look until closed."""
        while not self._closed.wait(LOOK_S):
            try:
                self.look()
            except (OSError, psutil.Error):  # the child has just died by itself
                continue


def _is_ours(pid: int) -> bool:
    """Tell whether a process is a child of this one and alive."""
    try:
        process = psutil.Process(pid)
        return bool(process.ppid() == os.getpid() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
