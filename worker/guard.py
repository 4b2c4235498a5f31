"""Run a process on one file and end it when it takes too long or too much memory: whatever dies there costs nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

from shared.errors import Unavailable
from worker.board import resident_bytes

LOOK_S = 0.02
START_S = 30.0
"""Within which a process must have begun; with the limit of an item, less than that of a chunk."""
FROZEN_S = 1.0
"""A look that comes later than this was held up itself; that time is nobody's."""
BEGUN = b"begun\n"
"""The first line of a process that has loaded what it needs: its time and its memory count from there."""
_TAIL = 2000


@dataclass(frozen=True, slots=True)
class Done:
    """How a guarded process ended.

    `reason` is None when it ended by itself, else `time`, `memory`, `start` (it never began) or `stopped`.
    """

    code: int
    output: bytes
    errors: str
    reason: str | None
    has_begun: bool

    @property
    def crashed(self) -> bool:
        """Tell whether it died of what it was given: beyond a limit, by a signal, or by leaving without a word."""
        return self.reason in ("time", "memory") or (
            self.reason is None and self.has_begun and self.code != 0
        )


def run_guarded(
    module: str,
    arguments: Sequence[str],
    data: bytes,
    *,
    limit_s: float,
    memory_bytes: int,
    start_s: float = START_S,
    is_unwanted: Callable[[], bool] = lambda: False,
) -> Done:
    """Run `python -m module PARENT …` with `data` as its standard input; PARENT is this process' id.

    Args:
        limit_s: seconds that it may take once it has begun.
        memory_bytes: by how much it may grow from then on; 0 is without limit.
        start_s: seconds within which it must have begun.
        is_unwanted: asked again and again; the process is stopped once it is true.

    Raises:
        Unavailable: this machine has no room for another process or its files.
    """
    try:
        return _run(module, arguments, data, limit_s, memory_bytes, start_s, is_unwanted)
    except OSError as error:
        raise Unavailable(f"No process could be started: {error.strerror}.") from error


def _run(
    module: str,
    arguments: Sequence[str],
    data: bytes,
    limit_s: float,
    memory_bytes: int,
    start_s: float,
    is_unwanted: Callable[[], bool],
) -> Done:
    """Start the process, wait for its end, read what it said."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(data)
        given.seek(0)
        command = [sys.executable, "-m", module, str(os.getpid()), *arguments]
        process = subprocess.Popen(command, stdin=given, stdout=out, stderr=err)
        try:
            reason = _wait(process, out, limit_s, memory_bytes, start_s, is_unwanted)
        finally:
            process.kill()
            process.wait()
        out.seek(0)
        err.seek(max(0, err.seek(0, 2) - _TAIL))
        output = out.read()
        errors = err.read().decode(errors="replace")
        return Done(process.returncode, output.removeprefix(BEGUN), errors, reason, output.startswith(BEGUN))


def _wait(
    process: subprocess.Popen[bytes],
    out: IO[bytes],
    limit_s: float,
    memory_bytes: int,
    start_s: float,
    is_unwanted: Callable[[], bool],
) -> str | None:
    """Wait for the end; say why it must not be waited for any longer."""
    over, has_begun, most = time.monotonic() + start_s, False, 0
    looked = time.monotonic()
    while True:
        try:
            process.wait(LOOK_S)
        except subprocess.TimeoutExpired:
            pass
        else:
            return None
        over, looked = _without_frozen(over, looked), time.monotonic()
        if not has_begun and os.fstat(out.fileno()).st_size >= len(BEGUN):
            has_begun, over = True, time.monotonic() + limit_s
            most = resident_bytes(process.pid) + memory_bytes if memory_bytes else 0
        if is_unwanted():
            return "stopped"
        if time.monotonic() > over:
            return "time" if has_begun else "start"
        if most and resident_bytes(process.pid) > most:
            return "memory"


def _without_frozen(over: float, looked: float) -> float:
    """Move the end back by the time since the last look, if this process was stopped meanwhile."""
    held_up = time.monotonic() - looked
    return over + held_up if held_up > FROZEN_S else over
