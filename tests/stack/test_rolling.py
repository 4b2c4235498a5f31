"""Every process is restarted in turn while callers come and go; who follows `Retry-After` sees no error."""

from __future__ import annotations

import io
import os
import shutil
import signal
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from inkqueue.local.home import Home
from shared.bundled import bundled
from tests.services import wait_for
from tests.stack.running import Up, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
IN_TURN = [
    ("api", signal.SIGTERM),
    ("worker-1", signal.SIGTERM),
    ("worker-interactive", signal.SIGTERM),
    ("steward", signal.SIGTERM),
    ("redis", signal.SIGTERM),
    ("postgres", signal.SIGINT),
]


@pytest.fixture
def up() -> Iterator[Up]:
    """Run a stack, in a folder that PostgreSQL's own user may pass through."""
    base = Path(tempfile.mkdtemp(prefix="inkqueue-rolling-"))
    base.chmod(0o711)
    with started(base / "home") as running:
        running.wait_ready()
        yield running
        running.interrupt()
    shutil.rmtree(base)


class Caller(threading.Thread):
    """Calls again and again on connections that are kept; waits when it is told to, and notes everything else."""

    def __init__(self, url: str, call: Callable[[httpx.Client], httpx.Response]) -> None:
        super().__init__(daemon=True)
        self._url, self._call = url, call
        self.over = threading.Event()
        self.errors: list[str] = []
        self.good = self.told_to_wait = 0

    def run(self) -> None:
        """Call until it is over."""
        with httpx.Client(base_url=self._url, timeout=60, trust_env=False) as client:
            while not self.over.is_set():
                try:
                    self._once(client)
                except httpx.HTTPError as error:
                    self.errors.append(f"{time.monotonic():.2f} {error!r}")

    def _once(self, client: httpx.Client) -> None:
        """Call once, and wait as the answer says."""
        answer = self._call(client)
        if answer.status_code < 300:
            self.good += 1
        elif answer.status_code in (429, 503) and "retry-after" in answer.headers:
            self.told_to_wait += 1
            self.over.wait(float(answer.headers["retry-after"]))
        else:
            self.errors.append(f"{answer.status_code} {answer.text[:300]}")


def digit() -> bytes:
    """Return one picture."""
    return (bundled("samples") / "three.png").read_bytes()


def small_zip() -> bytes:
    """Return a zip of twenty."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(20):
            archive.writestr(f"{number}.png", digit())
    return buffer.getvalue()


def restart(up: Up, name: str, number: signal.Signals) -> None:
    """Stop one process in order, and wait until the supervisor has another one that serves; all within 30 seconds."""
    home = Home(up.home)
    before = home.recorded()[name][0]
    os.kill(before, number)
    wait_for(lambda: home.recorded().get(name, (before,))[0] != before, f"another {name}", 15, every_s=0.1)
    over = time.monotonic() + 60
    while reason := unready(up):
        assert time.monotonic() < over, f"after {name}: {reason}"
        time.sleep(0.2)


def unready(up: Up) -> str:
    """Ask the service; return why it is not ready."""
    try:
        answer = httpx.get(f"{up.url}/readyz", timeout=30, trust_env=False)
    except httpx.HTTPError as error:
        return repr(error)
    return "" if answer.status_code == 200 else answer.text


def test_every_process_is_restarted_under_load_and_no_caller_sees_an_error(up: Up) -> None:
    """Single images, jobs, long polls and looks at states go on while each process is replaced; all jobs end whole."""
    jobs: list[str] = []

    def predict(client: httpx.Client) -> httpx.Response:
        return client.post("/v1/predict", content=digit(), headers={"Content-Type": "image/png"})

    def submit(client: httpx.Client) -> httpx.Response:
        answer = client.post("/v1/jobs", content=small_zip(), headers={"Content-Type": "application/zip"})
        if answer.status_code == 202:
            jobs.append(answer.json()["id"])
        time.sleep(1)  # a caller's own pace: more would only measure the machine
        return answer

    def wait_long(client: httpx.Client) -> httpx.Response:
        answer = client.post(
            "/v1/jobs",
            content=small_zip(),
            headers={"Content-Type": "application/zip", "Prefer": "wait=5"},
        )
        if answer.status_code in (200, 202):
            jobs.append(answer.json()["id"])
        time.sleep(0.5)
        return answer

    def look(client: httpx.Client) -> httpx.Response:
        time.sleep(0.05)
        return client.get(f"/v1/jobs/{jobs[-1]}" if jobs else "/healthz")

    callers = [Caller(up.url, call) for call in (predict, submit, wait_long, look)]
    for caller in callers:
        caller.start()
    wait_for(lambda: all(caller.good for caller in callers), "the load")
    for name, number in IN_TURN:
        restart(up, name, number)
    had = [caller.good for caller in callers]
    wait_for(lambda: all(c.good > n + 3 for c, n in zip(callers, had, strict=True)), "the load to go on", 60)
    for caller in callers:
        caller.over.set()
    for caller in callers:
        caller.join(70)

    assert [caller.errors for caller in callers] == [[], [], [], []]
    for one in jobs:
        wait_for(lambda one=one: up.get(f"/v1/jobs/{one}")["status"] == "succeeded", one, 60, every_s=0.5)
