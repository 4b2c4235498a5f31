"""Keep processes running: start them, restart what dies, stop them in order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inkqueue.local.errors import LocalStackError
from inkqueue.local.home import Home
from inkqueue.local.launch import ON_LINUX, Launch, group_exists, signal_group, start, start_time

MAX_LOG_BYTES = 16 * 1024 * 1024
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
HEALTHY_S = 30.0
GROUP_END_S = 2.0
TAIL_LINES = 15
HOPELESS = 5
REFUSED = 2
"""Exit code of a process that does not start with its settings: another try would say the same."""


class Interrupted(Exception):
    """A person or the system asked the stack to stop."""


@dataclass
class Child:
    """One supervised process and how often it has died of late."""

    launch: Launch
    before_start: Callable[[], None] | None = None
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0
    start_after: float = field(default=0.0)

    @property
    def pause_s(self) -> float:
        """Return how long to wait before the next start."""
        return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self.deaths))


class Supervisor:
    """The processes of one home, in the order in which they were added.

    Use it from the main thread only: the kernel ties a child's life to the thread that started it.
    """

    def __init__(self, home: Home, say: Callable[[str], None]) -> None:
        """Supervise nothing yet; `say` tells the person at the terminal what happens."""
        self.home = home
        self.say = say
        self.children: dict[str, Child] = {}
        self.settled = False
        self.requests_to_stop = 0  # the first is heard by `tick`; the second ends all patience

    def log_file(self, name: str) -> Path:
        """Return the file that a process writes to."""
        return self.home.logs / f"{name}.log"

    def add(self, launch: Launch, before_start: Callable[[], None] | None = None) -> None:
        """Start a process and keep it running; `before_start` runs before every restart."""
        child = Child(launch, before_start)
        self.children[launch.name] = child
        self._start(child)

    def run_once(self, launch: Launch, timeout_s: float) -> None:
        """Run a process to its end.

        Raises:
            Interrupted: somebody asked to stop.
            LocalStackError: it fails or takes too long.
        """
        log = self.log_file(launch.name)
        process = start(launch, log)
        try:
            self.wait_until(launch.name, lambda: process.poll() is not None, timeout_s)
        finally:
            signal_group(process.pid, signal.SIGKILL)
        code = process.wait()
        if code != 0:
            why = f"failed ({ending(code)})"
            raise LocalStackError(f"{launch.name} {why}; {log} ends with:\n{tail(log)}")

    def wait_until(self, what: str, is_ready: Callable[[], bool], timeout_s: float) -> None:
        """Keep everything running until the condition holds.

        Raises:
            Interrupted: somebody asked to stop.
            LocalStackError: it takes too long, or a process dies again and again.
        """
        end = time.monotonic() + timeout_s
        while not is_ready():
            self.tick()
            if time.monotonic() > end:
                raise LocalStackError(f"{what} not ready after {timeout_s:.0f} s. See {self.home.logs}.")
            time.sleep(0.03)

    def tick(self) -> None:
        """Notice deaths and start again what is due.

        Raises:
            Interrupted: somebody asked to stop.
            LocalStackError: before the stack has settled, a process dies again and again.
        """
        if self.requests_to_stop:
            raise Interrupted
        self._reap_orphans()
        now = time.monotonic()
        for child in self.children.values():
            if child.process is not None and child.process.poll() is not None:
                self._bury(child, now)
            if child.process is None and now >= child.start_after:
                self._start(child)

    def keep_logs_small(self) -> None:
        """Move the content of a log that has grown too large aside, once; older content goes."""
        for log in self.home.logs.glob("*.log"):
            if log.stat().st_size > MAX_LOG_BYTES:
                # the writer holds the file open for appending: copy and cut, do not rename
                log.with_suffix(".log.1").write_bytes(log.read_bytes())
                os.truncate(log, 0)

    def stop(self, *steps: Sequence[str]) -> None:
        """Stop the processes step by step, those of one step together; what does not listen is killed."""
        for names in steps:
            group = [self.children.pop(name) for name in names if name in self.children]
            running = [child for child in group if child.process is not None]
            for child in running:
                self._signal(child, child.launch.stop_signal)
            for child in running:
                self._wait_or_kill(child)
            self._record()

    def _start(self, child: Child) -> None:
        if child.before_start is not None:
            child.before_start()
        child.process = start(child.launch, self.log_file(child.launch.name))
        child.started_at = time.monotonic()
        self._record()

    def _bury(self, child: Child, now: float) -> None:
        """Clear up after a death: the rest of its process group goes, a restart is planned."""
        process, name = child.process, child.launch.name
        if process is None:
            return
        signal_group(process.pid, signal.SIGKILL)
        child.process = None
        child.deaths = 0 if now - child.started_at > HEALTHY_S else child.deaths + 1
        child.start_after = now + child.pause_s
        if not self.settled and (child.deaths >= HOPELESS or process.returncode == REFUSED):
            log = self.log_file(name)
            raise LocalStackError(f"{name} does not start; {log} ends with:\n{tail(log)}")
        self.say(
            f"{name} ended ({ending(process.returncode)}); starting it again. Log: {self.log_file(name)}"
        )

    def _signal(self, child: Child, number: signal.Signals) -> None:
        if child.process is not None and child.process.poll() is None:
            child.process.send_signal(number)
            signal_group(child.process.pid, signal.SIGCONT)  # a frozen process hears nothing else

    def _wait_or_kill(self, child: Child) -> None:
        if child.process is None:
            return
        end = time.monotonic() + child.launch.grace_s
        while child.process.poll() is None:
            if time.monotonic() > end or self.requests_to_stop > 1:
                self.say(f"{child.launch.name} has not stopped by itself; killing it")
                break
            time.sleep(0.02)
        signal_group(child.process.pid, signal.SIGKILL)
        child.process.wait()
        end = time.monotonic() + GROUP_END_S
        while group_exists(child.process.pid) and time.monotonic() < end:
            self._reap_orphans()
            time.sleep(0.005)

    def _reap_orphans(self) -> None:
        """Collect dead grandchildren that were handed to us, so that no zombie stays."""
        if not ON_LINUX:
            return
        known = {child.process.pid for child in self.children.values() if child.process is not None}
        with contextlib.suppress(ChildProcessError):
            while True:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is None or found.si_pid in known:
                    return
                os.waitpid(found.si_pid, os.WNOHANG)

    def _record(self) -> None:
        running = {}
        for name, child in self.children.items():
            if child.process is not None:
                started = start_time(child.process.pid)
                if started is not None:
                    running[name] = (child.process.pid, started)
        self.home.record(running)


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
    except OSError:
        return "(no log)"


def ending(code: int) -> str:
    """Say how a process ended."""
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
