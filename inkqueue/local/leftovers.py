"""Stop what a stack that was killed has left running on its folder, and nothing else."""

from __future__ import annotations

import os
import signal
import time

import psutil

from inkqueue.local.errors import LocalStackError
from inkqueue.local.home import Home
from inkqueue.local.launch import mentions, signal_group, start_time

PATIENCE_S = 10.0


def stop_leftovers(home: Home) -> list[str]:
    """Stop the recorded processes that still run; return their names.

    A process is ours when pid and start time are the recorded ones and it names this folder. PostgreSQL is
    left to `Postgres.prepare`, which goes by the lock file in its data folder.

    Raises:
        LocalStackError: one of them does not stop.
    """
    stopped = []
    for name, (pid, started) in home.recorded().items():
        members = [] if name == "postgres" else _members(pid, started, home)
        if members:
            stopped.append(name)
            _stop(name, pid, members)
    home.record({})
    return stopped


def _members(pid: int, started: str, home: Home) -> list[int]:
    """Return the processes of a recorded group that still run and are ours."""
    now = start_time(pid)
    if now is not None:
        return [pid] if now == started and mentions(pid, home.path) else []
    found = []
    for other in psutil.pids():  # the leader is gone: a child of its group may not be
        try:
            if os.getpgid(other) == pid and start_time(other) is not None and mentions(other, home.path):
                found.append(other)
        except (ProcessLookupError, PermissionError):
            continue
    return found


def _stop(name: str, group: int, members: list[int]) -> None:
    number = signal.SIGTERM if name == "redis" else signal.SIGKILL
    signal_group(group, number)
    end = time.monotonic() + PATIENCE_S
    while any(start_time(member) is not None for member in members):
        if time.monotonic() > end:
            if number is signal.SIGKILL:
                raise LocalStackError(f"{name} (pid {group}) of an earlier start does not stop.")
            number, end = signal.SIGKILL, time.monotonic() + PATIENCE_S
            signal_group(group, number)
        time.sleep(0.02)
