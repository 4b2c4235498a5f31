"""The client against the real API, database and storage; only the reading is a stand-in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inkqueue import AsyncClient, Client, RetryPolicy
from inkqueue.exceptions import (
    CorruptArchive,
    EmptySubmission,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    NothingToRetry,
    UndecodableImage,
    UnknownModel,
)
from shared.blobs import open_blobs
from shared.db import Database
from shared.settings import Settings
from tests.api.conftest import serving
from tests.fakes import FakeWorker
from tests.inkqueue.conftest import PNG, zip_of

ODD = 'größe "1" %41 a&b.png'


@contextmanager
def working(database: Database, settings: Settings) -> Iterator[None]:
    """Have a worker in a thread take whatever is submitted."""
    worker, stop = FakeWorker(database, open_blobs(settings)), threading.Event()

    def work() -> None:
        while not stop.wait(0.02):
            worker.work()

    thread = threading.Thread(target=work, name="fake-worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


@pytest.fixture
def real(database: Database, settings: Settings) -> Iterator[Client]:
    """Lend a client of the real API, behind which a worker works."""
    with serving(settings) as api, working(database, settings), Client(str(api.base_url)) as client:
        yield client


def test_a_zip_goes_the_whole_way(real: Client, scans: Path) -> None:
    """Submitted, followed, read in every form, retried and deleted: all typed."""
    job = real.submit(scans, name="Ballots 17", metadata={"box": "4"}, target_error=0.01, priority="high")
    job.wait(timeout=30)

    assert (job.status, job.name) == ("partially_succeeded", "Ballots 17")
    assert (job.counts.succeeded, job.counts.failed, job.counts.skipped) == (4, 1, 1)
    assert job.state.metadata == {"box": "4"}
    assert job.state.inputs[0].name == "scans.zip"
    items = list(job.results())
    assert [item.name for item in items] == ["a.png", "b.png", "bad.png", "c.png", "d.png", "notes.txt"]
    assert [item.seq for item in job.results(status="failed")] == [2]
    assert [item.seq for item in job.results(after_seq=3)] == [4, 5]
    assert b"".join(job.export("csv")).count(b"\r\n") == 7
    assert b"".join(job.export("ndjson")).count(b"\n") == 6
    assert b"".join(job.export("xlsx")).startswith(b"PK")
    assert job.summary().by_prediction == {"7": 4}
    assert job.item(2).error is not None
    again = job.retry().wait(timeout=30)
    assert (again.state.parent_id, again.state.attempt) == (job.id, 2)
    assert [found.id for found in real.jobs(name="Ballots 17")][-1:] == [job.id]
    assert [found.id for found in real.jobs(search="BALLOTS")][-1:] == [job.id]
    assert list(real.jobs(search="Ballots 18")) == []
    job.delete()
    with pytest.raises(NotFound):
        job.refresh()


def test_names_arrive_whole_by_both_ways(real: Client) -> None:
    """A name with blanks, quotes, percent signs and letters beyond ASCII is the same as a body and in a form."""
    alone = real.submit((ODD, PNG)).wait(timeout=30)
    together = real.submit([(ODD, PNG), ("folder/b.png", PNG)]).wait(timeout=30)

    assert [item.name for item in alone.results()] == [ODD]
    assert [item.name for item in together.results()] == [ODD, "folder/b.png"]


def test_a_repeat_with_the_same_key_finds_the_first_job(real: Client, scans: Path) -> None:
    """The same content under one key is one job, other content a clear refusal."""
    first = real.submit(scans, idempotency_key="one")

    assert real.submit(scans, idempotency_key="one").id == first.id
    with pytest.raises(IdempotencyKeyReused):
        real.submit((ODD, PNG), idempotency_key="one")


def test_refusals_are_exceptions(real: Client, scans: Path) -> None:
    """What the service refuses raises the class of its code."""
    with pytest.raises(UnknownModel):
        real.submit(scans, model="nope")
    with pytest.raises(CorruptArchive):
        real.submit(("cut.zip", scans.read_bytes()[:-30]))
    with pytest.raises(EmptySubmission):
        real.submit(("empty.zip", zip_of([])))
    with pytest.raises(InvalidRequest, match="target_error"):
        real.submit(scans, target_error=2)
    with pytest.raises(NothingToRetry):
        real.submit(("fine.png", PNG)).wait(timeout=30).retry()


def test_one_image_is_read_now(real: Client) -> None:
    """`predict` answers with a reading, or with the image's fault."""
    assert real.predict(("seven.png", PNG)).prediction == "7"
    with pytest.raises(UndecodableImage):
        real.predict(("bad.png", PNG))


def test_models_health_and_rehearsals_are_typed(real: Client, scans: Path) -> None:
    """The calls around jobs decode what the real service answers."""
    assert real.models()[0].labels == tuple("0123456789")
    assert real.model("digits").name == "digits"
    assert real.workers() == []
    health = real.health()
    assert (health.ok, health.checks["database"]) == (False, "ok")
    assert [one.name for one in real.dry_run(scans).skipped] == ["notes.txt"]


def test_waiting_survives_a_restart_of_the_service(
    database: Database, settings: Settings, scans: Path
) -> None:
    """The service goes away in the middle and comes back: the same wait sees the job's end."""
    patient = RetryPolicy(max_retries=10, first_wait_s=0.05, longest_wait_s=0.2)
    with Client(f"http://127.0.0.1:{settings.port}", retry=patient) as client:
        with serving(settings):
            job = client.submit(scans)
            waiting = threading.Thread(target=job.wait, args=(30,), daemon=True)
            waiting.start()
        with serving(settings), working(database, settings):
            waiting.join(30)

    assert job.status == "partially_succeeded"


def test_the_asynchronous_client_goes_the_whole_way(
    database: Database, settings: Settings, scans: Path
) -> None:
    """Submit, follow and read from an event loop."""

    async def use(url: str) -> list[str]:
        async with AsyncClient(url) as client:
            job = await (await client.submit(scans)).wait(timeout=30)
            return [item.name async for item in job.results(status="succeeded")]

    with serving(settings) as api, working(database, settings):
        assert asyncio.run(use(str(api.base_url))) == ["a.png", "b.png", "c.png", "d.png"]
