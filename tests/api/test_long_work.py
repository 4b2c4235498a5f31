"""Work that takes long: spreadsheets and retries leave threads for everybody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest

from api import exports
from api.routes import jobs
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import submitted
from tests.fakes import FakeWorker
from tests.services import wait_for

MOST = 4


class Gate:
    """Stands before a function; whoever calls it waits until the gate is opened."""

    def __init__(self, module: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._behind = getattr(module, name)
        self._opened = threading.Event()
        self.waiting = 0
        monkeypatch.setattr(module, name, self._pass)

    def _pass(self, *given: Any, **more: Any) -> Any:
        self.waiting += 1
        assert self._opened.wait(30)
        return self._behind(*given, **more)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Open the gate in the end."""
        try:
            yield
        finally:
            self._opened.set()


@pytest.mark.parametrize(
    ("module", "name", "method", "path", "status"),
    [
        (exports, "_write_workbook", "GET", "/results?format=xlsx", 200),
        (jobs, "retry_job", "POST", "/retry", 202),
    ],
    ids=["spreadsheets", "retries"],
)
def test_long_work_leaves_the_api_quick(
    settings: Settings,
    worker: FakeWorker,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    method: str,
    path: str,
    status: int,
) -> None:
    """More of it than the shared threads can bear waits in a line of its own, and is all done."""
    monkeypatch.setattr("api.main.THREADS", MOST)
    gate = Gate(module, name, monkeypatch)
    with serving(settings) as api:
        job = submitted(api, "1.png", "bad.png")
        worker.work()
        url = f"{api.base_url}/v1/jobs/{job['id']}{path}"
        with ThreadPoolExecutor(2 * MOST) as pool, gate.closed():
            asked = [pool.submit(httpx.request, method, url, timeout=30) for _ in range(2 * MOST)]
            wait_for(lambda: gate.waiting >= MOST, "as many to be at work as may be")
            assert api.get("/v1/jobs", timeout=5).status_code == 200
            assert gate.waiting == MOST
        assert {answer.result().status_code for answer in asked} == {status}


def connections(port: int | None) -> int:
    """Return how many connections of this process to a port stand."""
    mine = psutil.Process().net_connections("tcp")
    return sum(c.status == psutil.CONN_ESTABLISHED and c.raddr and c.raddr.port == port for c in mine)


def test_waiting_for_pictures_leaves_the_api_quick(settings: Settings, worker: FakeWorker) -> None:
    """More callers than there are threads wait for pictures that no worker draws, and hold none of the threads."""
    with serving(settings) as api:
        job = submitted(api, "1.png")
        worker.work()
        url = f"{api.base_url}/v1/jobs/{job['id']}/items/0/image?view=model"
        many = httpx.Client(limits=httpx.Limits(max_connections=80), timeout=60)
        with many, ThreadPoolExecutor(80) as pool:
            waiting = [pool.submit(many.get, url) for _ in range(80)]
            wait_for(lambda: connections(api.base_url.port) >= 80, "all of them to be connected")
            quick = [api.get(f"/v1/jobs/{job['id']}").elapsed.total_seconds() for _ in range(5)]
            codes = {one.result().status_code for one in waiting}
    assert min(quick) < 1
    assert codes == {503}
