"""`POST /v1/jobs`: what may be sent, and what comes back."""

from __future__ import annotations

import base64
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from shared.blobs import Blobs
from shared.db import Database
from tests.api.files import PNG, problem, submit_files, submitted, zipped
from tests.fakes import FakeWorker
from tests.queue_driver import execute, row

DATA_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


def test_files_become_one_job(common: httpx.Client) -> None:
    """A user sends images and a zip together and gets one job with all of them, in order."""
    answer = submit_files(
        common, [("a.png", PNG), ("b.zip", zipped("x/1.png", "x/2.png"))], name="Ballots 17"
    )

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert answer.headers["retry-after"] == "1"
    assert job["name"] == "Ballots 17"
    assert job["status"] == "queued"
    assert job["counts"]["total"] == job["counts"]["pending"] == 3
    assert [i["name"] for i in job["inputs"]] == ["a.png", "b.zip"]
    assert job["inputs"][0] == {"name": "a.png", "bytes": len(PNG), "sha256": hashlib.sha256(PNG).hexdigest()}


def test_a_job_has_every_field_of_the_contract(common: httpx.Client) -> None:
    """A program finds every documented field, also before work has begun."""
    job = submitted(
        common, "1.png", metadata=json.dumps({"batch": "7"}), target_error="0.01", priority="high"
    )

    assert set(job) == {
        "id", "object", "name", "status", "mode", "counts", "progress", "eta_seconds", "queue_position", "attempt",
        "parent_id", "created_at", "started_at", "finished_at", "deadline_at", "results_expire_at", "inputs", "model",
        "template", "target_error", "priority", "webhook", "metadata", "error", "links",
    }  # fmt: skip
    assert job["object"] == "job"
    assert job["mode"] == "classify"
    assert job["metadata"] == {"batch": "7"}
    assert job["target_error"] == 0.01
    assert job["priority"] == "high"
    assert job["attempt"] == 1
    assert job["parent_id"] is None
    assert job["model"]["name"] == "digits"
    assert job["created_at"].endswith("Z")
    assert job["links"]["self"] == f"/v1/jobs/{job['id']}"
    assert job["links"]["page"] == f"/jobs/{job['id']}"


@pytest.mark.parametrize(
    ("content_type", "body", "total"),
    [
        ("application/zip", zipped("1.png", "2.png"), 2),
        ("image/png", PNG, 1),
        ("application/octet-stream", zipped("1.png", "2.png", "3.png"), 3),
        ("application/octet-stream", PNG, 1),
    ],
)
def test_raw_bodies_are_taken(common: httpx.Client, content_type: str, body: bytes, total: int) -> None:
    """A script sends a file as the body, with its options in the address."""
    answer = common.post(
        "/v1/jobs",
        content=body,
        headers={"content-type": content_type},
        params={"name": "raw", "metadata": '{"a": "b"}'},
    )

    job = answer.json()
    assert answer.status_code == 202
    assert (job["counts"]["total"], job["name"], job["metadata"]) == (total, "raw", {"a": "b"})


def test_json_images_keep_their_custom_ids(api: httpx.Client, worker: FakeWorker) -> None:
    """A canvas sends data URLs, base64 and pixels, and finds its own ids in the results."""
    images = [
        {"custom_id": "a", "data": DATA_URL},
        {"custom_id": "b", "data": DATA_URL.split(",")[1]},
        {"custom_id": "c", "pixels": [[0] * 28] * 28},
        {"data": DATA_URL},
    ]
    job = api.post("/v1/jobs", json={"images": images, "name": "canvas", "metadata": {"k": "v"}}).json()
    worker.work()

    items = api.get(f"/v1/jobs/{job['id']}/results").json()["items"]
    assert [i["custom_id"] for i in items[:3]] == ["a", "b", "c"]
    assert items[3]["custom_id"] == items[3]["name"]
    assert job["name"] == "canvas"


def test_many_json_images_share_one_object(api: httpx.Client, worker: FakeWorker, database: Database) -> None:
    """A notebook sends a thousand images in one body; each is read from its place in one stored object."""
    pixels = [[(x * 7 + y * 13) % 256 for x in range(28)] for y in range(28)]
    images = [{"custom_id": f"id{i}", "pixels": pixels} for i in range(1000)]

    job = api.post("/v1/jobs", json={"images": images}).json()

    assert job["counts"]["total"] == 1000
    assert row(database, "SELECT count(*) FROM inputs WHERE storage_key IS NOT NULL")[0] == 1
    image = api.get(f"/v1/jobs/{job['id']}/items/999/image")
    assert image.content.startswith(b"\x89PNG")
    worker.work()
    last = api.get(f"/v1/jobs/{job['id']}/results", params={"after_seq": 998}).json()
    assert [i["custom_id"] for i in last["items"]] == ["id999"]


def test_skipped_and_refused_members_are_items(api: httpx.Client, worker: FakeWorker) -> None:
    """Text files in a zip are skipped, nested archives fail, hidden files leave no trace; neighbours are read."""
    names = ("a.png", "notes.txt", "__MACOSX/._a.png", ".hidden.png", "Thumbs.db", "inner.zip", "b.png")
    job = submitted(api, *names)
    worker.work()

    done = api.get(f"/v1/jobs/{job['id']}").json()
    items = api.get(f"/v1/jobs/{job['id']}/results").json()["items"]
    assert [(i["name"], i["status"]) for i in items] == [
        ("a.png", "succeeded"),
        ("notes.txt", "skipped"),
        ("inner.zip", "failed"),
        ("b.png", "succeeded"),
    ]
    assert items[2]["error"]["code"] == "nested_archive"
    assert done["status"] == "partially_succeeded"
    assert done["counts"]["total"] == 4


def test_no_member_name_is_a_path(api: httpx.Client, worker: FakeWorker) -> None:
    """Names with roots, drives and `..` come back as harmless labels, and two of one name are two items."""
    job = submitted(api, "../../etc/passwd.png", "/abs/a.png", "C:\\x\\b.png", "same.png", "./same.png")
    worker.work()

    items = api.get(f"/v1/jobs/{job['id']}/results").json()["items"]
    assert [i["name"] for i in items] == ["etc/passwd.png", "abs/a.png", "x/b.png", "same.png", "same.png"]


def test_a_document_waits_for_its_pages(common: httpx.Client) -> None:
    """A TIFF may have pages: the job validates until a worker has counted them."""
    job = submit_files(common, [("a.tiff", b"II*\0" + b"\0" * 100), ("b.png", PNG)]).json()

    assert job["status"] == "validating"
    assert job["counts"]["total"] == job["counts"]["pending"] == 2


def test_prefer_wait_answers_with_the_results(api: httpx.Client, worker: FakeWorker) -> None:
    """A caller that waits gets 200 and the results of a small job in one call."""
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(
            api.post, "/v1/jobs", files={"files": ("a.png", PNG)}, headers={"prefer": "wait=20"}
        )
        while not answer.done():
            worker.work()
    done = answer.result()
    assert done.status_code == 200
    assert done.headers["preference-applied"] == "wait=20"
    assert done.json()["status"] == "succeeded"
    assert [i["prediction"] for i in done.json()["results"]] == ["7"]


def test_prefer_wait_gives_up_in_time(common: httpx.Client) -> None:
    """Without a worker the answer comes after the time asked for, as 202."""
    answer = common.post(
        "/v1/jobs", files={"files": ("a.png", PNG)}, headers={"prefer": "respond-async, wait=1"}
    )

    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=1"
    assert 0.9 < answer.elapsed.total_seconds() < 15


def test_a_dry_run_keeps_nothing(api: httpx.Client, database: Database, tmp_path: Any) -> None:
    """A user learns what a submission would be; no job, no input and no file is left."""
    big = bytes(range(256)) * 1000
    body = zipped("a.png", "b.txt", "c.zip", data=big)
    answer = api.post("/v1/jobs?dry_run=true", content=body, headers={"content-type": "application/zip"})

    assert answer.status_code == 200
    found = answer.json()
    assert found["total"] == 3
    assert [s["name"] for s in found["skipped"]] == ["b.txt"]
    assert [(r["name"], r["code"]) for r in found["refused"]] == [("c.zip", "nested_archive")]
    assert api.get("/v1/jobs").json()["items"] == []
    assert row(database, "SELECT count(*) FROM inputs WHERE state <> 'collecting'")[0] == 0


def test_a_repeat_with_an_idempotency_key_gets_the_first_job(api: httpx.Client) -> None:
    """A client that lost the answer sends again, quoted or bare, and gets the same job."""
    first = api.post("/v1/jobs", files={"files": ("a.png", PNG)}, headers={"idempotency-key": "k-1"})
    again = api.post("/v1/jobs", files={"files": ("a.png", PNG)}, headers={"idempotency-key": '"k-1"'})

    assert "idempotency-replayed" not in first.headers
    assert again.status_code == 202
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]


@pytest.mark.parametrize("change", ["name", "content", "option"])
def test_a_key_with_other_content_is_refused(api: httpx.Client, change: str) -> None:
    """A key stands for one submission: other files, names or options are an error."""
    api.post("/v1/jobs", files={"files": ("a.png", PNG)}, headers={"idempotency-key": "k"})
    name = "b.png" if change == "name" else "a.png"
    content = PNG + b"x" if change == "content" else PNG
    data = {"name": "other"} if change == "option" else {}
    answer = api.post(
        "/v1/jobs", files={"files": (name, content)}, data=data, headers={"idempotency-key": "k"}
    )

    problem(answer, 422, "idempotency_key_reused")


def test_two_at_once_with_one_key_make_one_job(api: httpx.Client, database: Database) -> None:
    """Two uploads race with one key: both answer with the same job, and the loser's bytes are collected."""
    body = zipped("1.png", "2.png", data=b"\x89PNG\r\n\x1a\n" + bytes(200_000))

    def send(_: int) -> httpx.Response:
        headers = {"idempotency-key": "race", "content-type": "application/zip"}
        return httpx.post(f"{api.base_url}/v1/jobs", content=body, headers=headers, timeout=30)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(4)))

    assert [a.status_code for a in answers] == [202] * 4
    assert len({a.json()["id"] for a in answers}) == 1
    assert sum("idempotency-replayed" not in a.headers for a in answers) == 1
    assert row(database, "SELECT count(*) FROM jobs")[0] == 1
    assert row(database, "SELECT count(*) FROM inputs WHERE state = 'attached'")[0] == 1
    assert row(database, "SELECT count(*) FROM inputs WHERE state = 'receiving'")[0] == 0


def test_a_key_is_forgotten_after_its_time(api: httpx.Client, database: Database) -> None:
    """After the time that keys are kept, the same key makes a new job."""
    first = api.post("/v1/jobs", files={"files": ("a.png", PNG)}, headers={"idempotency-key": "k"}).json()
    execute(database, "UPDATE idempotency_keys SET expires_at = clock_timestamp() - interval '1 second'")
    second = api.post("/v1/jobs", files={"files": ("b.png", PNG)}, headers={"idempotency-key": "k"})

    assert second.status_code == 202
    assert second.json()["id"] != first["id"]


def test_large_files_lie_in_the_storage(api: httpx.Client, database: Database, blobs: Blobs) -> None:
    """A file over 64 KiB is one stored object, bit by bit what was sent; small ones stay in their rows."""
    big = PNG + bytes(range(256)) * 1000
    job = submit_files(api, [("small.png", PNG), ("big.png", big)]).json()

    keys = [r[0] for r in [row(database, "SELECT storage_key FROM inputs WHERE storage_key IS NOT NULL")]]
    assert len(keys) == 1
    assert blobs.get(keys[0]) == big
    assert job["inputs"][1]["sha256"] == hashlib.sha256(big).hexdigest()
    assert api.get(f"/v1/jobs/{job['id']}/items/1/image").content == big
    assert api.get(f"/v1/jobs/{job['id']}/items/0/image").content == PNG


def test_trace_and_request_id_are_carried(api: httpx.Client, database: Database) -> None:
    """A client's own request id is kept, and its trace context goes with the job."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = api.post(
        "/v1/jobs", files={"files": ("a.png", PNG)}, headers={"traceparent": trace, "x-request-id": "mine-1"}
    )

    assert answer.headers["x-request-id"] == "mine-1"
    assert tuple(row(database, "SELECT traceparent, request_id FROM jobs")) == (trace, "mine-1")


def test_a_deadline_is_shown(common: httpx.Client) -> None:
    """A job with a deadline says when that is."""
    assert submitted(common, "a.png", deadline_s="60")["deadline_at"].endswith("Z")
