"""A fresh `inkqueue up` in a folder of its own: what a user has, durable writes included."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from inkqueue.local.redis import free_port

START_S = 120.0
STOP_S = 60.0


@dataclass(frozen=True)
class Service:
    """A running stack: its address, its folder, and the addresses of its servers by variable name."""

    url: str
    home: Path
    urls: dict[str, str]


@contextmanager
def running_service(workers: int) -> Iterator[Service]:
    """Start the whole stack; stop it and remove its folder at the end.

    Raises:
        RuntimeError: it does not become ready.
    """
    with tempfile.TemporaryDirectory(prefix="inkqueue-bench-") as folder:
        home = Path(folder) / "home"
        if os.geteuid() == 0:
            Path(folder).chmod(0o711)  # the database's own user must pass through
        port = free_port()
        command = [sys.executable, "-m", "inkqueue", "up", "--no-sample", "--stop-with-parent"]
        options = ["--home", str(home), "--port", str(port), "--workers", str(workers)]
        log = Path(folder) / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, *options], stdout=output, stderr=subprocess.STDOUT, cwd=folder
            )
        try:
            url = f"http://127.0.0.1:{port}"
            addresses = home / "urls.env"  # written when everything is up
            wait_ready(url, addresses, process, log)
            yield Service(url, home, read_urls(addresses))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_S)


def wait_ready(url: str, addresses: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the service says that it can work."""
    end = time.monotonic() + START_S
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < end and process.poll() is None:
            try:
                if addresses.exists() and client.get(f"{url}/readyz", timeout=5.0).is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
    raise RuntimeError(f"the stack did not start:\n{log.read_text()}")


def read_urls(path: Path) -> dict[str, str]:
    """Read the file in which the stack writes its addresses."""
    lines = [shlex.split(line)[-1] for line in path.read_text().splitlines() if line.startswith("export ")]
    return dict(line.split("=", 1) for line in lines)
