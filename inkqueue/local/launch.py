"""Start processes that die with their parent, and recognise a process again after a crash."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
ON_LINUX: bool = sys.platform == "linux"
_libc = ctypes.CDLL(None) if ON_LINUX else None


@dataclass(frozen=True)
class ServerUser:
    """The system user that a server runs under when root starts it."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Launch:
    """One process to start: its name for logs, command line, surroundings and how it is asked to stop.

    `fds` are open files of ours that it shall have under the same numbers.
    """

    name: str
    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    user: ServerUser | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    grace_s: float = 10.0
    fds: Sequence[int] = ()


def die_with_parent(orphan_signal: signal.Signals) -> Callable[[], None]:
    """Return a function for the child, between fork and exec: the kernel signals it when its parent dies."""
    parent = os.getpid()

    def prepare_child() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, int(orphan_signal), 0, 0, 0)
            if os.getppid() != parent:  # the parent died before the kernel was told
                os._exit(1)

    return prepare_child


def signal_when_parent_dies(number: signal.Signals) -> None:
    """Have the kernel send this process a signal when the one that started it dies."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def is_interrupted(pid: int) -> bool:
    """Tell whether a process is just handling SIGINT: the kernel blocks a signal while its handler runs.

    GNU make, told to stop by a signal to itself alone, waits in its handler for the recipe's end and passes
    nothing on; so the recipe has to look.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    blocked = int(status.partition("SigBlk:")[2].split(maxsplit=1)[0], 16)
    return bool(blocked & 1 << (signal.SIGINT - 1))


def adopt_orphans() -> None:
    """Have orphaned grandchildren handed to this process, so that it can collect them."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start(launch: Launch, log: Path) -> subprocess.Popen[bytes]:
    """Start a process in its own process group, writing to the end of a log file.

    Call it from the main thread: Linux ties the death signal to the thread that starts the child.
    """
    identity: dict[str, object] = {}
    if launch.user is not None:
        identity = {"user": launch.user.uid, "group": launch.user.gid, "extra_groups": []}
    with log.open("ab") as output:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # identity is conditional
            list(launch.argv),
            cwd=launch.cwd,
            env={**os.environ, **launch.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            pass_fds=tuple(launch.fds),
            preexec_fn=die_with_parent(launch.orphan_signal),
            **identity,
        )


def start_time(pid: int) -> str | None:
    """Return a text that tells this process from any other that ever had its pid, or None when it is gone."""
    try:
        if ON_LINUX:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"
        return str(psutil.Process(pid).create_time())
    except (OSError, psutil.Error):
        return None


def mentions(pid: int, folder: Path) -> bool:
    """Tell whether a process names this folder in its command line, its environment or its working folder."""
    try:
        process = psutil.Process(pid)
        if any(str(folder) in part for part in process.cmdline()):
            return True
        return process.cwd().startswith(str(folder)) or str(folder) in process.environ().values()
    except psutil.Error:
        return False


def group_exists(pid: int) -> bool:
    """Tell whether a process group has members, dead ones that nobody has collected included."""
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to every process of a group; a group that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
