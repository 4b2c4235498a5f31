"""Schemathesis over the whole service: no defect, no undocumented answer, nothing taken that the schema refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from benchmarks.contract import ENVIRONMENT, hold
from shared.blobs import open_blobs
from shared.cells import EMPTY, Cells, drawn, next_wanted
from shared.contracts import Claim, WorkerInfo
from shared.db import Database
from shared.jobs.registry import beat
from shared.keys.text import new_key
from shared.lanes import view_key
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG
from tests.fakes import FakeWorker

CASES = 1500
"""As many a run sends at least; fewer, and something was left out."""


class DrawingWorker(FakeWorker):
    """Draws the pictures of what it has read and of what sheets ask for; the service would wait for them."""

    def finish(self, claims: list[Claim]) -> None:
        """Write pictures, then results."""
        for claim in claims:
            for seq in range(claim.first_seq, claim.end_seq):
                for view in ("model", "page"):
                    self._blobs.put(view_key(claim.job_id, seq, view), PNG)
        super().finish(claims)

    def draw(self, client: redis.Redis) -> None:
        """Draw what sheets wait for: nothing to be seen, as of items that failed."""
        while unit := next_wanted(client):
            cells = Cells.unseen(len(unit.seqs))
            cells.states[:] = EMPTY
            self._blobs.put(unit.key, cells.packed())
            drawn(client, unit)


@contextmanager
def working(settings: Settings) -> Iterator[None]:
    """Let a worker of each lane live, and have what waits worked off."""
    db = Database(settings.sqlalchemy_url, "tool", pool_size=2)
    worker = DrawingWorker(db, open_blobs(settings))
    client = redis.Redis.from_url(settings.redis_url)
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.02):
            for lane in ("bulk", "interactive"):
                beat(db, living(lane))
            worker.work()
            worker.draw(client)

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        db.close()
        client.close()


def living(lane: str) -> WorkerInfo:
    """Return what a worker says of itself."""
    return {"id": lane, "host": "h", "pid": 1, "role": "worker", "lane": lane, "models": ["digits@2.0.0"]}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_service_keeps_its_contract(settings: Settings) -> None:
    """All checks of Schemathesis in all of its phases, with and without keys, find nothing."""
    key = new_key().text
    update = {name.removeprefix("INKQUEUE_").lower(): value for name, value in ENVIRONMENT.items()}
    chosen = Settings(**{**settings.model_dump(exclude_unset=True), **update, "bootstrap_key": key})
    with working(chosen), serving(chosen) as client:
        found = hold(str(client.base_url).rstrip("/"), key, examples=4, seed=1)

    assert found.failures == 0, found.text
    assert found.cases > CASES, found.text
