"""What sends webhooks and nothing beside it: PostgreSQL with durable writes, Redis and one steward.

Workers and the API stay away: they would ask the queue for work all the while, and take the processors from what is
measured.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from inkqueue.local.launch import Launch, start
from inkqueue.local.postgres import Postgres
from inkqueue.local.redis import Redis
from shared.migrate import migrate

START_S = 120.0
STOP_S = 30.0


@dataclass(frozen=True)
class Stack:
    """The address of the database and the steward's process."""

    database_url: str
    steward: psutil.Process


@contextmanager
def sending_stack(settings: Mapping[str, str]) -> Iterator[Stack]:
    """Run the servers and a steward with these settings until the block ends.

    Raises:
        RuntimeError: one of them does not start.
    """
    home = Path(tempfile.mkdtemp(prefix="inkqueue-bench-"))
    home.chmod(0o711)  # as root the server's own user must reach its data
    postgres, redis = Postgres(home), Redis(home)
    try:
        with ExitStack() as running:
            for server in (postgres, redis):
                server.prepare()
                running.enter_context(_running(server.launch(), home / "servers.log", server.is_ready))
            postgres.create_database()
            migrate(postgres.url().replace("postgresql://", "postgresql+psycopg://", 1))
            environment = {
                **settings,
                "INKQUEUE_DATABASE_URL": postgres.url(),
                "INKQUEUE_REDIS_URL": redis.url(),
                "INKQUEUE_STORAGE_URL": f"file://{home}/storage",
            }
            folder = Path(__file__).resolve().parents[1]
            launch = Launch("steward", [sys.executable, "-m", "worker.steward"], folder, environment)
            steward = running.enter_context(_running(launch, home / "steward.log", lambda: True))
            yield Stack(postgres.url(), psutil.Process(steward.pid))
    finally:
        for path in {home, postgres.base, postgres.socket_dir}:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _running(launch: Launch, log: Path, is_ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """Run one process until the block ends."""
    process = start(launch, log)
    try:
        end = time.monotonic() + START_S
        while not is_ready():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{launch.name} did not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(launch.stop_signal)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def load() -> float:
    """Return how many processes wanted a processor in the last minute."""
    return round(os.getloadavg()[0], 1)
