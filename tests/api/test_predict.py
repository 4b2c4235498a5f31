"""`POST /v1/predict`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from inkqueue.local.redis import free_port
from shared.db import Database
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG, problem, zipped
from tests.fakes import FakeWorker
from tests.queue_driver import row


@contextmanager
def working(worker: FakeWorker) -> Iterator[None]:
    """Let the worker work in a thread."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.01):
            worker.work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


BODIES: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "raw": lambda api: api.post("/v1/predict", content=PNG, headers={"content-type": "image/png"}),
    "form": lambda api: api.post("/v1/predict", files={"files": ("a.png", PNG)}),
    "json": lambda api: api.post("/v1/predict", json={"images": [{"pixels": [[0] * 28] * 28}]}),
    "zip": lambda api: api.post(
        "/v1/predict", content=zipped("a.png"), headers={"content-type": "application/zip"}
    ),
}


@pytest.mark.parametrize("body", BODIES)
def test_one_image_is_read_at_once(api: httpx.Client, worker: FakeWorker, body: str) -> None:
    """A caller sends one image, however it likes, and gets its digit."""
    with working(worker):
        answer = BODIES[body](api)

    found = answer.json()
    assert answer.status_code == 200
    assert set(found) == {
        "prediction",
        "confidence",
        "probabilities",
        "decision",
        "reasons",
        "model",
        "job_id",
    }
    assert (found["prediction"], found["confidence"], found["decision"]) == ("7", 0.99812, "accept")
    assert found["model"]["version"] == "1.0.0"
    assert api.get(f"/v1/jobs/{found['job_id']}").json()["status"] == "succeeded"


def test_predictions_are_listed_only_on_demand(api: httpx.Client, worker: FakeWorker) -> None:
    """The list of jobs stays free of single predictions."""
    with working(worker):
        job_id = BODIES["raw"](api).json()["job_id"]

    assert api.get("/v1/jobs").json()["items"] == []
    assert [j["id"] for j in api.get("/v1/jobs", params={"kind": "predict"}).json()["items"]] == [job_id]


def test_an_unreadable_image_is_refused_with_its_code(api: httpx.Client, worker: FakeWorker) -> None:
    """What an item would fail with is the answer's code."""
    with working(worker):
        problem(api.post("/v1/predict", files={"files": ("bad.png", PNG)}), 422, "undecodable_image")
        problem(api.post("/v1/predict", files={"files": ("a.png", b"")}), 422, "empty_file")


def test_exactly_one_image(api: httpx.Client, database: Database) -> None:
    """Two images, or none, are refused and make no job."""
    two = [("files", ("a.png", PNG)), ("files", ("b.png", PNG))]
    problem(api.post("/v1/predict", files=two), 422, "invalid_request")
    headers = {"content-type": "application/zip"}
    problem(
        api.post("/v1/predict", content=zipped("1.png", "2.png"), headers=headers), 422, "invalid_request"
    )
    problem(api.post("/v1/predict", json={"images": []}), 422, "empty_submission")
    problem(
        api.post("/v1/predict", content=b"x", headers={"content-type": "text/plain"}),
        415,
        "unsupported_media_type",
    )
    problem(
        api.post("/v1/predict", files={"files": ("a.png", PNG)}, data={"model": "x"}), 422, "unknown_model"
    )
    assert row(database, "SELECT count(*) FROM jobs")[0] == 0


def test_no_answer_in_time_names_the_job(settings: Settings) -> None:
    """Without a worker the caller gets 504 and the id of the job that goes on."""
    with serving(settings.model_copy(update={"predict_timeout_s": 0.5})) as api:
        body = problem(BODIES["raw"](api), 504, "timeout")
        assert api.get(f"/v1/jobs/{body['job_id']}").json()["status"] == "queued"


def test_a_full_lane_is_said(settings: Settings) -> None:
    """When too many wait already, the caller is told at once and may come again."""
    with serving(settings.model_copy(update={"max_interactive_backlog": 2})) as api:
        for _ in range(2):
            api.post("/v1/jobs", files={"files": ("a.png", PNG)})
        answer = BODIES["raw"](api)
        body = problem(answer, 429, "queue_full")
        assert body["retryable"] is True
        assert answer.headers["retry-after"]


def test_a_broker_that_is_down_is_said_at_once(settings: Settings, database: Database) -> None:
    """Without Redis nobody would come in time: 503 at once, nothing waits, and jobs are taken in all the same."""
    down = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
    with serving(down) as api:
        for _ in range(3):
            answer = BODIES["raw"](api)
            problem(answer, 503, "unavailable")
            assert answer.elapsed.total_seconds() < 10
        job = api.post("/v1/jobs", files={"files": ("a.png", PNG)})
        assert job.status_code == 202
        assert job.elapsed.total_seconds() < 10
    assert row(database, "SELECT count(*) FROM jobs WHERE kind = 'predict' AND finished_at IS NULL")[0] == 0


def test_a_restart_of_the_database_is_not_noticed(
    api: httpx.Client, worker: FakeWorker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that a restart has closed while they rested are replaced before anybody pays for them."""
    monkeypatch.setattr("shared.db.REST_S", 0.0)
    with working(worker):
        assert BODIES["raw"](api).status_code == 200
    killed = row(
        database,
        """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'inkqueue-api' AND datname = current_database()""",
    )[0]
    assert killed
    with working(worker):
        assert BODIES["raw"](api).status_code == 200
