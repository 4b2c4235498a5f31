"""What a user notices when Redis or the database is frozen or away: little, and soon."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx
import pytest
import redis

from inkqueue.local.redis import Redis
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG, problem, submitted
from tests.fakes import FakeWorker
from tests.processes import Process
from tests.services import wait_for


@contextmanager
def own_redis(log: Path) -> Iterator[tuple[Redis, Process]]:
    """Run a Redis that only this test uses."""
    with tempfile.TemporaryDirectory(prefix="inkqueue-redis-") as folder:
        Path(folder).chmod(0o711)
        server = Redis(Path(folder), databases=4)
        server.prepare()
        launch = server.launch()
        process = Process(launch.argv, {**os.environ, **launch.env}, log, launch.cwd)
        try:
            wait_for(server.is_ready, "Redis to be ready")
            yield server, process
        finally:
            if process.popen.poll() is None:
                os.kill(process.pid, signal.SIGCONT)
            process.stop()


def test_a_frozen_redis_slows_no_submission(settings: Settings, worker: FakeWorker, tmp_path: Path) -> None:
    """With Redis hanging, jobs are taken in as quickly as ever, followed to their end, and predictions say no."""
    with (
        own_redis(tmp_path / "redis.log") as (server, process),
        serving(settings.model_copy(update={"redis_url": server.url(0)})) as api,
    ):
        submitted(api, "1.png")
        os.kill(process.pid, signal.SIGSTOP)
        answers = [api.post("/v1/jobs", files={"files": ("a.png", PNG)}) for _ in range(5)]
        assert {answer.status_code for answer in answers} == {202}
        assert median(answer.elapsed.total_seconds() for answer in answers) < 1  # one may find a busy machine
        answer = answers[-1]
        timer = threading.Timer(0.3, worker.work)
        timer.start()
        waited = api.get(f"/v1/jobs/{answer.json()['id']}", params={"wait": 25})
        timer.join()
        assert waited.json()["status"] == "succeeded"
        assert waited.elapsed.total_seconds() < 15
        began = time.monotonic()
        problem(api.post("/v1/predict", files={"files": ("a.png", PNG)}), 503, "unavailable")
        assert time.monotonic() - began < 15
        body = problem(api.get("/readyz"), 503, "unavailable")
        assert body["checks"]["broker"] != "ok"
        assert body["checks"]["database"] == "ok"

        os.kill(process.pid, signal.SIGCONT)
        wait_for(lambda: broker_is_ok(api), "Redis to count as well again", 10)


def test_hints_come_back_after_a_restart_of_redis(
    settings: Settings, worker: FakeWorker, tmp_path: Path
) -> None:
    """A Redis that was gone for a while costs nothing but speed: tickets go out again afterwards."""
    with own_redis(tmp_path / "redis.log") as (server, process):
        changed = settings.model_copy(update={"redis_url": server.url(0)})
        with serving(changed) as api:
            process.kill()
            assert api.post("/v1/jobs", files={"files": ("a.png", PNG)}).status_code == 202
            again = Process(server.launch().argv, os.environ, tmp_path / "again.log", server.launch().cwd)
            try:
                wait_for(lambda: broker_is_ok(api), "the broker to be well", 10)

                def announced() -> bool:
                    api.post("/v1/jobs", files={"files": ("a.png", PNG)})
                    return server_length(server) > 0

                wait_for(announced, "a ticket to be sent", 10, every_s=0.2)
            finally:
                again.stop()
        process.stop()


def server_length(server: Redis) -> int:
    """Count the tickets of the interactive lane."""
    with redis.Redis.from_url(server.url(0)) as client:
        return int(client.llen("interactive"))


def broker_is_ok(api: httpx.Client) -> bool:
    """Tell whether readiness sees the broker as well."""
    return bool(api.get("/readyz").json()["checks"]["broker"] == "ok")


@pytest.mark.timeout(60)
def test_a_hanging_database_does_not_hang_the_probes(settings: Settings) -> None:
    """When the database accepts connections and never speaks, liveness answers and readiness says so in time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"postgresql://x@127.0.0.1:{port}/x"
        with serving(settings.model_copy(update={"database_url": url})) as api:
            answer = api.get("/readyz")
            body = problem(answer, 503, "unavailable")
            assert body["checks"]["database"] != "ok"
            assert body["checks"]["broker"] == "ok"
            assert answer.elapsed.total_seconds() < 15
            assert api.get("/healthz").elapsed.total_seconds() < 10
            problem(api.post("/v1/jobs", files={"files": ("a.png", PNG)}), 503, "unavailable")
