"""Reading, listing, cancelling, retrying and deleting jobs."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import pytest

from shared.db import Database
from shared.settings import Settings
from shared.status import Lane
from tests.api.conftest import serving_app
from tests.api.files import PNG, problem, submit_files, submitted
from tests.fakes import FakeWorker
from tests.queue_driver import execute, row
from tests.services import wait_for

NOWHERE = "job_" + "0" * 32


def counts_add_up(job: dict[str, dict[str, int]]) -> bool:
    """Check the two sums that hold in every answer ever given."""
    c = job["counts"]
    ended = c["succeeded"] + c["failed"] + c["skipped"] + c["canceled"] + c["expired"]
    return c["total"] == c["pending"] + ended and c["accepted"] + c["review"] == c["succeeded"]


def test_a_job_goes_from_queued_to_its_end(api: httpx.Client, worker: FakeWorker) -> None:
    """A user polls: queued, then ended, with counts that add up at every look."""
    job = submitted(api, "1.png", "2.png", "bad.png", "doubt.png", "x.txt")
    before = api.get(f"/v1/jobs/{job['id']}")
    worker.work()
    after = api.get(f"/v1/jobs/{job['id']}")

    assert before.json()["status"] == "queued"
    assert before.headers["retry-after"] == "1"
    assert "retry-after" not in after.headers
    done = after.json()
    assert done["status"] == "partially_succeeded"
    assert done["progress"] == 1.0
    assert done["counts"] == {
        "total": 5, "pending": 0, "succeeded": 3, "failed": 1, "skipped": 1, "canceled": 0, "expired": 0,
        "accepted": 2, "review": 1, "reviewed": 0,
    }  # fmt: skip
    assert counts_add_up(before.json())
    assert counts_add_up(done)
    assert done["started_at"]
    assert done["finished_at"]
    assert done["results_expire_at"] > done["finished_at"]
    assert done["model"]["version"] == "1.0.0"


def test_an_etag_saves_unchanged_answers(api: httpx.Client, worker: FakeWorker) -> None:
    """A poller with If-None-Match gets 304 until the job has changed."""
    url = f"/v1/jobs/{submitted(api, '1.png')['id']}"
    tag = api.get(url).headers["etag"]

    assert tag.startswith('W/"')
    unchanged = api.get(url, headers={"if-none-match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == tag
    worker.work()
    assert api.get(url, headers={"if-none-match": tag}).status_code == 200


def test_waiting_ends_with_the_job(api: httpx.Client, worker: FakeWorker) -> None:
    """A long poll answers soon after the end, with Redis saying nothing."""
    url = f"/v1/jobs/{submitted(api, '1.png')['id']}"
    timer = threading.Timer(0.5, worker.work)
    timer.start()
    began = time.monotonic()
    job = api.get(url, params={"wait": 20}).json()
    timer.join()

    assert job["status"] == "succeeded"
    assert time.monotonic() - began < 15


def test_waiting_ends_with_its_time(api: httpx.Client) -> None:
    """A long poll of an idle job answers with the job as it is when the time is over."""
    url = f"/v1/jobs/{submitted(api, '1.png')['id']}"
    answer = api.get(url, params={"wait": 1})

    assert answer.json()["status"] == "queued"
    assert 0.9 < answer.elapsed.total_seconds() < 15


def test_a_running_job_shows_progress(api: httpx.Client, worker: FakeWorker, database: Database) -> None:
    """Between two chunks the job is running and the share done is told."""
    job = submitted(api, *(f"{i}.png" for i in range(2500)))
    assert worker.work(most_chunks=1) == 1

    now = api.get(f"/v1/jobs/{job['id']}").json()
    assert now["status"] == "running"
    assert 0 < now["progress"] < 1
    assert now["eta_seconds"] is not None
    assert counts_add_up(now)


def test_the_queue_position_counts_jobs_ahead(api: httpx.Client) -> None:
    """A user sees how many jobs are ahead in the line."""
    first = submitted(api, "1.png", "2.png")
    second = submitted(api, "1.png", "2.png")
    third = submitted(api, "1.png", "2.png", priority="high")

    positions = [api.get(f"/v1/jobs/{j['id']}").json()["queue_position"] for j in (third, first, second)]
    assert positions == [0, 1, 2]
    listed = {j["id"]: j["queue_position"] for j in api.get("/v1/jobs").json()["items"]}
    assert listed == {third["id"]: 0, first["id"]: 1, second["id"]: 2}


def test_a_listing_pages_through_all_jobs(api: httpx.Client) -> None:
    """Jobs come newest first, each once, page by page."""
    ids = [submitted(api, "1.png", name=f"n{i}")["id"] for i in range(5)]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = api.get("/v1/jobs", params=params).json()
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]

    assert seen == ids[::-1]
    assert cursor is None


def test_a_listing_is_narrowed(api: httpx.Client, worker: FakeWorker) -> None:
    """Status, name, times and kind narrow a listing."""
    done = submitted(api, "1.png", name="done")
    worker.work()
    queued = submitted(api, "1.png", name="queued")

    def found(**params: str | list[str]) -> list[str]:
        return [job["id"] for job in api.get("/v1/jobs", params=params).json()["items"]]

    assert found(status="succeeded") == [done["id"]]
    assert found(status=["succeeded", "queued"]) == [queued["id"], done["id"]]
    assert found(name="queued") == [queued["id"]]
    assert found(created_after=done["created_at"], created_before="2999-01-01T00:00:00Z") == [queued["id"]]
    assert found(created_before="2000-01-01T00:00:00Z") == []
    assert found(kind="predict") == []


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 1001},
        {"limit": 0},
        {"limit": "x"},
        {"cursor": "nonsense"},
        {"status": "done"},
        {"name": "a\0"},
        {"created_after": "x"},
    ],
)
def test_a_wrong_listing_is_refused(common: httpx.Client, params: dict[str, str]) -> None:
    """A wrong parameter is named."""
    body = problem(common.get("/v1/jobs", params=params), 422, "invalid_request")
    assert body["errors"][0]["loc"] == f"query.{next(iter(params))}"


def test_cancel_keeps_what_is_done(api: httpx.Client, worker: FakeWorker) -> None:
    """Items that are done stay, the rest is canceled, and at once for a small job."""
    job = submitted(api, *(f"{i}.png" for i in range(2500)))
    worker.work(most_chunks=1)
    answer = api.post(f"/v1/jobs/{job['id']}/cancel")

    assert answer.status_code == 202
    now = answer.json()
    assert now["status"] == "canceled"
    assert now["counts"]["succeeded"] > 0
    assert now["counts"]["canceled"] == 2500 - now["counts"]["succeeded"]
    page = api.get(f"/v1/jobs/{job['id']}/results", params={"after_seq": 2498}).json()
    assert [i["status"] for i in page["items"]] == ["canceled"]
    again = api.post(f"/v1/jobs/{job['id']}/cancel")
    assert (again.status_code, again.json()["status"]) == (200, "canceled")


def test_a_canceled_chunk_in_work_writes_nothing(api: httpx.Client, worker: FakeWorker) -> None:
    """A worker that was in the middle when its job was canceled changes nothing any more."""
    job = submitted(api, "1.png", "2.png")
    claims = worker.take(Lane.BULK)
    api.post(f"/v1/jobs/{job['id']}/cancel")
    worker.finish(claims)

    now = api.get(f"/v1/jobs/{job['id']}").json()
    assert (now["status"], now["counts"]["canceled"], now["counts"]["succeeded"]) == ("canceled", 2, 0)


def test_a_retry_does_only_what_failed(api: httpx.Client, worker: FakeWorker) -> None:
    """A retry is a new job of the failed items, over the same files."""
    job = submitted(api, "1.png", "bad-2.png", "3.png", "bad-4.png", name="mine")
    worker.work()
    answer = api.post(f"/v1/jobs/{job['id']}/retry")

    again = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{again['id']}"
    assert (again["parent_id"], again["attempt"], again["name"]) == (job["id"], 2, "mine")
    assert again["counts"]["total"] == 2
    assert again["inputs"] == job["inputs"]
    worker.work()
    items = api.get(f"/v1/jobs/{again['id']}/results").json()["items"]
    assert [(i["seq"], i["name"]) for i in items] == [(0, "bad-2.png"), (1, "bad-4.png")]


def test_a_large_job_can_be_retried(api: httpx.Client, worker: FakeWorker, settings: Settings) -> None:
    """The manifests of a job too large for its row, and of its retry, are objects of their own."""
    job = submitted(api, *(f"bad-{n}.png" for n in range(600)))
    worker.work()
    again = api.post(f"/v1/jobs/{job['id']}/retry").json()

    assert again["counts"]["total"] == 600
    folder = Path(settings.storage_url.removeprefix("file://")) / "manifests"
    assert sum(path.is_file() for path in folder.rglob("*")) == 2


def test_a_canceled_job_can_be_retried_whole(api: httpx.Client, worker: FakeWorker) -> None:
    """What was canceled before anything happened is done by a retry, pages still uncounted included."""
    job = submit_files(api, [("a.tiff", b"II*\0" + b"\0" * 100)]).json()
    api.post(f"/v1/jobs/{job['id']}/cancel")
    again = api.post(f"/v1/jobs/{job['id']}/retry").json()

    assert (again["status"], again["counts"]["total"]) == ("validating", 1)


def test_retry_says_when_it_cannot(api: httpx.Client, worker: FakeWorker) -> None:
    """An active job, and one without failures, cannot be retried."""
    job = submitted(api, "1.png")
    problem(api.post(f"/v1/jobs/{job['id']}/retry"), 409, "job_active")
    worker.work()
    problem(api.post(f"/v1/jobs/{job['id']}/retry"), 409, "nothing_to_retry")


def test_deleted_means_gone(api: httpx.Client, worker: FakeWorker, database: Database) -> None:
    """A deleted job is nowhere any more, and its idempotency key is free."""
    headers = {"idempotency-key": "k"}
    job = api.post("/v1/jobs", files={"files": ("a.png", PNG)}, headers=headers).json()
    problem(api.delete(f"/v1/jobs/{job['id']}"), 409, "job_active")
    worker.work()
    answer = api.delete(f"/v1/jobs/{job['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    for path in ("", "/results", "/summary", "/events", "/items/0", "/items/0/image"):
        problem(api.get(f"/v1/jobs/{job['id']}{path}"), 404, "not_found")
    for path in ("/cancel", "/retry"):
        problem(api.post(f"/v1/jobs/{job['id']}{path}"), 404, "not_found")
    problem(api.delete(f"/v1/jobs/{job['id']}"), 404, "not_found")
    assert api.get("/v1/jobs").json()["items"] == []
    fresh = api.post("/v1/jobs", files={"files": ("b.png", PNG)}, headers=headers)
    assert fresh.status_code == 202


@pytest.mark.parametrize("job_id", [NOWHERE, "job_x", "x", "job_" + "G" * 32, "job_" + "0" * 31])
def test_unknown_jobs_are_not_found(common: httpx.Client, job_id: str) -> None:
    """An id that was never given out is 404, whatever it looks like."""
    problem(common.get(f"/v1/jobs/{job_id}"), 404, "not_found")
    problem(common.post(f"/v1/jobs/{job_id}/cancel"), 404, "not_found")
    problem(common.get(f"/v1/jobs/{job_id}/results"), 404, "not_found")


def test_another_tenants_job_is_not_found(api: httpx.Client, database: Database) -> None:
    """Nobody learns that another tenant's job exists."""
    job = submitted(api, "1.png")
    execute(database, "INSERT INTO tenants (id) VALUES ('other')")
    execute(database, "UPDATE jobs SET tenant = 'other'")

    for path in ("", "/results", "/summary", "/events", "/items/0"):
        problem(api.get(f"/v1/jobs/{job['id']}{path}"), 404, "not_found")
    problem(api.post(f"/v1/jobs/{job['id']}/cancel"), 404, "not_found")


def test_expired_results_are_gone(api: httpx.Client, worker: FakeWorker, database: Database) -> None:
    """After their time the job is still shown, results and inputs answer 410."""
    job = submitted(api, "1.png", "bad.png")
    worker.work()
    execute(database, "UPDATE jobs SET results_expire_at = clock_timestamp() - interval '1 second'")

    assert api.get(f"/v1/jobs/{job['id']}").status_code == 200
    for path in ("/results", "/results?format=csv", "/summary", "/items/0", "/items/0/image"):
        problem(api.get(f"/v1/jobs/{job['id']}{path}"), 410, "gone")
    problem(api.post(f"/v1/jobs/{job['id']}/retry"), 410, "gone")


def test_a_summary_counts(api: httpx.Client, worker: FakeWorker) -> None:
    """The summary counts predictions, decisions, reasons and errors, and bins confidences."""
    job = submitted(api, "1.png", "2.png", "bad.png", "doubt.png", "inner.zip")
    worker.work()
    summary = api.get(f"/v1/jobs/{job['id']}/summary").json()

    assert summary["by_prediction"] == {"7": 3}
    assert summary["by_decision"] == {"accept": 2, "review": 1}
    assert summary["by_reason"] == {"low_confidence": 1}
    assert summary["by_error"] == {"nested_archive": 1, "undecodable_image": 1}
    assert sum(b["count"] for b in summary["confidence"]) == 3
    assert summary["confidence"][-1]["count"] == 2
    assert sum(p["items"] for p in summary["throughput"]["over_time"]) == 5


def test_no_connection_is_held_while_waiting(
    settings: Settings, database: Database, worker: FakeWorker
) -> None:
    """Twenty long polls, more than the pool has connections, leave the API quick."""
    with serving_app(settings) as (api, parts):
        url = f"{api.base_url}/v1/jobs/{submitted(api, '1.png')['id']}"
        threads = [
            threading.Thread(target=httpx.get, args=(f"{url}?wait=20",), kwargs={"timeout": 30})
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        wait_for(lambda: parts.waiters.count == 20, "all polls to wait")
        began = time.monotonic()
        assert api.get("/v1/jobs").status_code == 200
        assert time.monotonic() - began < 10
        open_transactions = row(
            database,
            """SELECT count(*) FROM pg_stat_activity
            WHERE application_name = 'inkqueue-api' AND state LIKE 'idle in%'""",
        )[0]
        assert open_transactions == 0
        assert parts.waiters.count == 20
        worker.work()
        for thread in threads:
            thread.join()


def test_a_repeated_retry_with_its_key_makes_one_job(api: httpx.Client, worker: FakeWorker) -> None:
    """A client whose connection broke may ask again and gets the same new job."""
    job = submitted(api, "bad.png")
    worker.work()
    url, headers = f"/v1/jobs/{job['id']}/retry", {"Idempotency-Key": f"again-{job['id']}"}

    first, again = (api.post(url, headers=headers) for _ in range(2))

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert api.post(url).json()["id"] != first.json()["id"]
