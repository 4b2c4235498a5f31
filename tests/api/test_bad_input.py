"""Bad input: each kind has its own clear answer, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from shared.db import Database
from tests.api.bad import nothing_kept, raw
from tests.api.files import PNG, problem, submit_files, zipped
from tests.fakes import FakeWorker


def test_a_file_that_is_no_image_fails_alone(api: httpx.Client, worker: FakeWorker) -> None:
    """One upload that is no image becomes a job whose item fails; that is for a worker to say."""
    assert submit_files(api, [("a.png", b"hello")]).status_code == 202
    found = raw(api, b"hello", "application/octet-stream", dry_run="true").json()
    assert [(r["name"], r["code"]) for r in found["refused"]] == [("upload", "unsupported_format")]


def test_an_empty_file_is_a_failed_item(api: httpx.Client, worker: FakeWorker) -> None:
    """An empty file fails by itself, its neighbour is read."""
    job = submit_files(api, [("empty.png", b""), ("a.png", PNG)]).json()
    worker.work()
    items = api.get(f"/v1/jobs/{job['id']}/results").json()["items"]
    assert [(i["status"], (i["error"] or {}).get("code")) for i in items] == [
        ("failed", "empty_file"),
        ("succeeded", None),
    ]


@pytest.mark.parametrize("kind", ["raw", "multipart", "json", "none", "no file chosen"])
def test_nothing_at_all_is_empty(common: httpx.Client, kind: str) -> None:
    """A submission without any file is refused, however it comes."""
    match kind:
        case "raw":
            answer = raw(common, b"", "image/png")
        case "multipart":
            answer = common.post("/v1/jobs", files={"name": (None, "x")})
        case "json":
            answer = common.post("/v1/jobs", json={"images": []})
        case "none":
            answer = common.post("/v1/jobs")
        case _:
            part = b'--b\r\nContent-Disposition: form-data; name="files"; filename=""\r\n\r\n\r\n--b--\r\n'
            answer = raw(common, part, "multipart/form-data; boundary=b")
    problem(answer, 422, "empty_submission")


def test_too_many_items(small_limits: httpx.Client, database: Database) -> None:
    """More items than the limit are refused, in a zip, as files and as JSON."""
    names = [f"{i}.png" for i in range(6)]
    many = [{"data": "aGVsbG8="}] * 6
    problem(raw(small_limits, zipped(*names)), 413, "too_many_items")
    problem(submit_files(small_limits, [(n, PNG) for n in names]), 413, "too_many_items")
    problem(
        submit_files(small_limits, [("a.zip", zipped(*names[:3])), ("b.zip", zipped(*names[:3]))]),
        413,
        "too_many_items",
    )
    problem(small_limits.post("/v1/jobs", json={"images": many}), 413, "too_many_items")
    assert nothing_kept(database)


def test_a_body_over_the_limit_is_refused(small_limits: httpx.Client, database: Database) -> None:
    """By its announced length at once, and by count when nothing was announced."""
    body = b"\x89PNG" + bytes(400_000)

    def pieces() -> Iterator[bytes]:
        for i in range(0, len(body), 10_000):
            yield body[i : i + 10_000]

    problem(raw(small_limits, body, "image/png"), 413, "payload_too_large")
    headers = {"content-type": "image/png"}
    problem(small_limits.post("/v1/jobs", content=pieces(), headers=headers), 413, "payload_too_large")
    problem(submit_files(small_limits, [("a.png", body)]), 413, "payload_too_large")
    json_body = json.dumps({"images": [{"data": "A" * 30_000}]}).encode()
    problem(raw(small_limits, json_body, "application/json"), 413, "payload_too_large")
    assert nothing_kept(database)


def test_a_file_over_the_limit_of_one_fails_alone(small_limits: httpx.Client, worker: FakeWorker) -> None:
    """A file that is too large for one image is a failed item."""
    files = [("big.png", b"\x89PNG\r\n\x1a\n" + bytes(60_000)), ("a.png", PNG)]
    job = submit_files(small_limits, files).json()
    worker.work()
    items = small_limits.get(f"/v1/jobs/{job['id']}/results").json()["items"]
    assert [(i["error"] or {}).get("code") for i in items] == ["member_too_large", None]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "image/svg+xml", "video/mp4", "x"]
)
def test_other_content_types_are_refused(common: httpx.Client, content_type: str) -> None:
    """A content type that cannot be submitted is refused with the list of those that can."""
    body = problem(raw(common, b"data", content_type), 415, "unsupported_media_type")
    assert "image/png" in body["detail"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\n"),
        ("multipart/form-data; boundary=b", b"no boundary at all"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nabc',
        ),
        ("multipart/form-data; boundary=b", b"--b\r\nX: y\r\n\r\nabc\r\n--b--\r\n"),
    ],
)
def test_a_broken_multipart_body_is_a_bad_request(
    api: httpx.Client, database: Database, content_type: str, body: bytes
) -> None:
    """A multipart body that is cut off or malformed is refused."""
    problem(raw(api, body, content_type), 400, "bad_request")
    assert nothing_kept(database)


def test_a_packed_body_is_refused(common: httpx.Client) -> None:
    """A body that was compressed on its way would be stored as nonsense, so it is refused."""
    headers = {"content-type": "image/png", "content-encoding": "gzip"}
    problem(common.post("/v1/jobs", content=b"\x1f\x8b", headers=headers), 415, "unsupported_media_type")
