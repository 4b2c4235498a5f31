"""Real processes for tests: workers, stewards and the API, on a test's own database, Redis and storage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.services import wait_for

ROOT = Path(__file__).resolve().parents[1]


class Process:
    """One started process and where its output goes."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path = ROOT) -> None:
        self.log = log
        self._out = log.open("ab")
        self.popen = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdout=self._out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.popen.pid

    def children(self) -> list[psutil.Process]:
        """Return the direct children that live."""
        return psutil.Process(self.pid).children()

    def output(self) -> str:
        """Return all that it has printed."""
        return self.log.read_text(errors="replace")

    def stop(self, timeout_s: float = 30.0) -> int:
        """Ask it to stop and wait; kill it when it does not."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._out.close()
        return self.popen.returncode

    def kill(self) -> None:
        """Kill it and its children."""
        for process in [*psutil.Process(self.pid).children(recursive=True), psutil.Process(self.pid)]:
            with_suppressed_gone(process)
        self.popen.wait(10)


def with_suppressed_gone(process: psutil.Process) -> None:
    """Kill a process that may be gone already."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def worker_command(lane: str, name: str) -> list[str]:
    """Return the command line of a worker, as the documentation gives it."""
    return [
        sys.executable, "-m", "celery", "-A", "worker.app", "worker", "-P", "prefork", "-c", "1", "-Q", lane,
        "-n", f"{name}@%h", "--without-gossip", "--without-mingle",
    ]  # fmt: skip


@contextmanager
def started(command: Sequence[str], env: Mapping[str, str], log: Path, ready: str) -> Iterator[Process]:
    """Run a process for a block; wait until it has printed `ready`."""
    process = Process(command, {**env, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}, log)
    try:
        wait_for(
            lambda: process.popen.poll() is not None or ready in process.output(), f"{log.name}: {ready}", 60
        )
        if process.popen.poll() is not None:
            raise AssertionError(f"{command} ended: {process.output()}")
        yield process
    finally:
        if process.popen.poll() is None:
            os.kill(process.pid, signal.SIGCONT)
        process.stop()


@contextmanager
def worker(env: Mapping[str, str], folder: Path, lane: str = "bulk", name: str = "w1") -> Iterator[Process]:
    """Run one worker."""
    with started(worker_command(lane, name), env, folder / f"{name}.log", "worker_started") as process:
        yield process


@contextmanager
def steward(env: Mapping[str, str], folder: Path) -> Iterator[Process]:
    """Run one steward."""
    command = [sys.executable, "-m", "worker.steward"]
    with started(command, env, folder / "steward.log", "steward_started") as process:
        yield process
