"""A real `inkqueue up` in a process of its own, as a person runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from inkqueue.local.launch import start_time
from inkqueue.local.redis import free_port
from tests.services import wait_for

START_S = 60.0
STOP_S = 40.0


class Up:
    """One `inkqueue up`: its output so far, its address, and ways to end it."""

    def __init__(self, process: subprocess.Popen[bytes], home: Path, port: int, output: Path) -> None:
        """Keep what `started` has made."""
        self.process = process
        self.home = home
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._output = output

    @property
    def output(self) -> str:
        """Return everything that the person has seen."""
        return self._output.read_text()

    def wait_ready(self) -> None:
        """Wait until the person is told that all is up."""
        wait_for(lambda: "is ready" in self.output or self.process.poll() is not None, "the stack", START_S)
        assert "is ready" in self.output, self.output

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_S)

    def kill(self) -> None:
        """Kill the supervisor, which can do nothing about it."""
        self.process.kill()
        self.process.wait()

    def get(self, path: str) -> dict[str, object]:
        """Read something from the API."""
        answer = httpx.get(f"{self.url}{path}", timeout=10.0, trust_env=False)
        answer.raise_for_status()
        found: dict[str, object] = answer.json()
        return found


@contextmanager
def started(
    home: Path,
    *arguments: str,
    port: int | None = None,
    prefix: Sequence[str] = (),
    python: str = sys.executable,
    uid: int | None = None,
    env: Mapping[str, str] | None = None,
    alone: bool = True,
) -> Iterator[Up]:
    """Start `inkqueue up` on a home; at the end whatever is left of it is killed, if it was alone there."""
    port = port or free_port()
    output = home.parent / f"{home.name}-{time.monotonic_ns()}.out"
    command = [
        *prefix,
        python,
        "-m",
        "inkqueue",
        "up",
        "--home",
        str(home),
        "--port",
        str(port),
        "--workers",
        "1",
        *([] if "--sample" in arguments else ["--no-sample"]),
    ]
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=home.parent,
            env={**os.environ, "COLUMNS": "200", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            process_group=0,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )
    try:
        yield Up(process, home, port, output)
    finally:
        process.kill()
        process.wait()
        for pid in processes_of(home) if alone else []:
            psutil.Process(pid).kill()


def processes_of(home: Path) -> list[int]:
    """Return the living processes that name a home in command line, environment or working folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or start_time(process.pid) is None:
                continue
            words = [*process.cmdline(), process.cwd(), *process.environ().values()]
        except psutil.Error:
            continue
        if any(str(home) in word for word in words):
            found.append(process.pid)
    return found
