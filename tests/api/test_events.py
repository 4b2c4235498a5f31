"""Server-Sent Events of a job."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from api.services import Services as Parts
from api.tickets import Tickets
from shared.db import Database
from shared.jobs.read import Watched, watch_jobs
from shared.lanes import connect, publish_hint
from shared.settings import Settings
from shared.status import Lane
from tests.api.conftest import serving_app
from tests.api.files import submitted
from tests.api.test_streaming import answers
from tests.fakes import FakeWorker
from tests.processes import Process
from tests.services import wait_for


@dataclass
class Event:
    """One event, or one comment."""

    name: str = ""
    id: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    comment: str = ""


def events(api: httpx.Client, job_id: str, last_id: str | None = None) -> Iterator[Event]:
    """Follow a job until the stream ends."""
    headers = {"last-event-id": last_id} if last_id else {}
    with api.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        event = Event()
        for line in answer.iter_lines():
            kind, _, value = line.partition(": ")
            match kind:
                case "event":
                    event.name = value
                case "id":
                    event.id = value
                case "data":
                    event.data = orjson.loads(value)
                case "" if line:
                    event.comment = value
                case "":
                    yield event
                    event = Event()


def test_a_finished_job_is_one_event(api: httpx.Client, worker: FakeWorker) -> None:
    """The state comes at once under its name, with the version as its id, and the stream ends."""
    job = submitted(api, "1.png")
    worker.work()
    (only,) = events(api, job["id"])

    assert only.name == "job.completed"
    assert only.data == api.get(f"/v1/jobs/{job['id']}").json()
    assert f'W/"{only.id}"' == api.get(f"/v1/jobs/{job['id']}").headers["etag"]


def test_a_job_is_followed_to_its_end(api: httpx.Client, worker: FakeWorker) -> None:
    """A page sees the start, progress and the end, with ids that grow."""
    job = submitted(api, *(f"{i}.png" for i in range(2500)))
    seen: list[Event] = []
    stream = events(api, job["id"])
    seen.append(next(stream))
    worker.work(most_chunks=1)
    seen.append(next(stream))
    worker.work()
    seen += stream

    assert [e.name for e in seen[:2]] == ["job.started", "job.progress"]
    assert seen[-1].name == "job.completed"
    assert [int(e.id) for e in seen] == sorted({int(e.id) for e in seen})
    for event in seen:
        counts = event.data["counts"]
        assert counts["total"] == counts["pending"] + counts["succeeded"]


def test_a_seen_version_waits_for_the_next_change(api: httpx.Client, worker: FakeWorker) -> None:
    """A client that comes again gets nothing twice."""
    job = submitted(api, "1.png")
    first = next(events(api, job["id"]))
    timer = threading.Timer(0.3, worker.work)
    timer.start()
    began = time.monotonic()
    resumed = list(events(api, job["id"], last_id=first.id))
    timer.join()

    assert [e.name for e in resumed] == ["job.completed"]
    assert time.monotonic() - began > 0.25


def test_nothing_follows_a_seen_end(api: httpx.Client, worker: FakeWorker) -> None:
    """A client that has seen the end gets an empty stream, an older one gets the end."""
    job = submitted(api, "1.png")
    worker.work()
    (end,) = events(api, job["id"])

    assert list(events(api, job["id"], last_id=end.id)) == []
    assert [e.name for e in events(api, job["id"], last_id="1")] == ["job.completed"]
    assert [e.name for e in events(api, job["id"], last_id="nonsense")] == ["job.completed"]


@pytest.fixture
def rare_looks(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[httpx.Client, Parts]]:
    """Lend an API that hardly ever looks at all jobs by itself, so that quick news come from hints."""
    monkeypatch.setattr("api.waiters.LOOK_S", 40.0)
    with serving_app(settings) as (api, parts):
        yield api, parts


def hint(settings: Settings, job: dict[str, Any]) -> None:
    """Tell everybody that a job has changed."""
    with connect(settings) as client:
        publish_hint(client, UUID(hex=job["id"].removeprefix("job_")))


def followed(api: httpx.Client, job: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Follow a job until its first event has come and the look that its coming causes is over."""
    looked = threading.Event()

    def look(db: Database, ids: list[UUID]) -> dict[UUID, Watched]:
        found = watch_jobs(db, ids)
        looked.set()
        return found

    monkeypatch.setattr("api.waiters.watch_jobs", look)
    stream = events(api, job["id"])
    next(stream)
    assert looked.wait(10)
    return stream


def test_a_hint_makes_events_quick(
    rare_looks: tuple[httpx.Client, Parts],
    worker: FakeWorker,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With Redis a change is told at once, not with the next look."""
    api, _ = rare_looks
    job = submitted(api, "1.png")
    stream = followed(api, job, monkeypatch)
    worker.work()
    hint(settings, job)
    began = time.monotonic()
    last = next(stream)

    assert last.name == "job.completed"
    assert time.monotonic() - began < 25


def test_a_defect_in_a_hint_does_not_end_the_listening(
    rare_looks: tuple[httpx.Client, Parts],
    worker: FakeWorker,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After an error that nobody foresaw, hints are taken again, and what was missed is looked at."""
    api, parts = rare_looks
    job = submitted(api, "1.png")
    stream = followed(api, job, monkeypatch)
    failed = threading.Event()

    def fail(data: bytes) -> None:
        failed.set()
        raise KeyError(data)

    monkeypatch.setattr(parts.waiters, "_take", fail)
    hint(settings, job)
    assert failed.wait(10)
    worker.work()
    began = time.monotonic()

    assert next(stream).name == "job.completed"
    assert time.monotonic() - began < 25


def test_a_defect_in_a_look_does_not_end_the_looking(
    api: httpx.Client, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an error that nobody foresaw, those who wait are served all the same."""
    calls: list[int] = []

    def look(db: Database, ids: list[UUID]) -> dict[UUID, Watched]:
        calls.append(len(ids))
        if len(calls) == 1:
            raise KeyError("a defect")
        return watch_jobs(db, ids)

    monkeypatch.setattr("api.waiters.watch_jobs", look)
    job = submitted(api, "1.png")
    stream = events(api, job["id"])
    next(stream)
    wait_for(lambda: calls, "the look that fails")
    worker.work()

    assert next(stream).name == "job.completed"
    assert api.get(f"/v1/jobs/{job['id']}", params={"wait": 10}).json()["status"] == "succeeded"


def test_a_ticket_that_cannot_be_sent_does_not_end_the_sending(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an error that nobody foresaw, the next tickets go out."""
    sent: list[int] = []

    def send(client: object, lane: Lane, count: int) -> None:
        if count == 1:
            raise KeyError("a defect")
        sent.append(count)

    monkeypatch.setattr("api.tickets.send_tickets", send)
    with connect(settings) as client:
        tickets = Tickets(client)
        tickets.start()
        tickets.send(Lane.BULK, 1)
        tickets.send(Lane.BULK, 2)
        wait_for(lambda: sent == [2], "the second ticket", 10)
        tickets.close()
        assert not tickets.broken


def test_an_idle_stream_is_kept_awake(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies see a comment now and then while nothing changes."""
    monkeypatch.setattr("api.routes.events.COMMENT_S", 0.1)
    job = submitted(api, "1.png")
    stream = events(api, job["id"])
    next(stream)
    assert next(stream).comment


def test_a_deleted_job_ends_its_stream(api: httpx.Client, worker: FakeWorker, settings: Settings) -> None:
    """Whoever follows a job that is deleted is let go."""
    job = submitted(api, "1.png")
    stream = events(api, job["id"])
    next(stream)
    worker.work()
    api.delete(f"/v1/jobs/{job['id']}")
    assert [e.name for e in stream] in ([], ["job.completed"])


@pytest.mark.timeout(60)
def test_waiting_clients_do_not_hold_up_the_end(
    settings: Settings, settings_env: dict[str, str], tmp_path: Path
) -> None:
    """Ctrl-C ends the API at once, though a page follows a job and a script waits for it."""
    process = Process([sys.executable, "-m", "api"], settings_env, tmp_path / "log")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=30) as api:
            wait_for(lambda: answers(str(api.base_url)), "the API to answer")
            job = submitted(api, "1.png")
            stream = events(api, job["id"])
            next(stream)
            url = f"{api.base_url}/v1/jobs/{job['id']}?wait=30"
            poll = threading.Thread(target=httpx.get, args=(url,), kwargs={"timeout": 40})
            poll.start()
            time.sleep(0.3)
            began = time.monotonic()
            process.popen.send_signal(signal.SIGINT)
            process.popen.wait(20)
            took = time.monotonic() - began
            assert list(stream) == []
            poll.join()
    finally:
        process.stop()
    assert took < 15
    assert process.popen.returncode == 0
