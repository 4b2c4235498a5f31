"""What people have settled, as training data."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from api.zip_stream import ZipStream
from shared.blobs import Blobs
from shared.db import Database
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import problem, submitted
from tests.api.keyed import bearer, key_for
from tests.api.test_sheets import cell, drainer, drawing, models, pixels, read
from tests.fakes import FakeWorker
from tests.queue_driver import execute
from tests.worker.files import sample_digits
from worker.drain import Drainer

__all__ = ["drainer", "models"]


def say(api: httpx.Client, job: str, seq: int, reviewer: str, value: str | None, **more: Any) -> None:
    """Review one item."""
    answer = api.put(f"{job}/items/{seq}/reviews/{reviewer}", json={"value": value, **more})
    assert answer.status_code == 200, answer.text


def lines(api: httpx.Client, query: str = "", **more: Any) -> list[dict[str, Any]]:
    """Export as lines."""
    answer = api.get(f"/v1/reviews/export{query}", **more)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson"), answer.text
    return [json.loads(line) for line in answer.content.splitlines()]


def test_lines_tell_what_is_settled(api: httpx.Client, worker: FakeWorker) -> None:
    """Items with a common value, in order; those that reviewers disagree on wait."""
    job = f"/v1/jobs/{submitted(api, *(f'{n}.png' for n in range(4)))['id']}"
    worker.work()
    say(api, job, 2, "anna", "1")
    say(api, job, 0, "anna", None, reason="blank")
    say(api, job, 1, "anna", "1")
    say(api, job, 1, "ben", "2")
    found = lines(api)
    assert [(o["seq"], o["value"], o["reason"], o["prediction"]) for o in found] == [
        (0, None, "blank", "7"),
        (2, "1", None, "7"),
    ]
    assert (found[1]["name"], found[1]["model"], found[1]["job_id"]) == (
        "2.png",
        "digits@1.0.0",
        job.rsplit("/", 1)[1],
    )


def test_it_is_narrowed(api: httpx.Client, worker: FakeWorker, database: Database) -> None:
    """To a job, to a reviewer's items, to what was reviewed since a time."""
    jobs = [f"/v1/jobs/{submitted(api, 'a.png', 'b.png')['id']}" for _ in range(2)]
    worker.work()
    say(api, jobs[0], 0, "anna", "1")
    say(api, jobs[0], 1, "ben", "1")
    say(api, jobs[1], 0, "anna", "1")
    execute(database, "UPDATE reviews SET created_at = '2020-01-01' WHERE reviewer = 'ben'")
    first = jobs[0].rsplit("/", 1)[1]
    assert [o["seq"] for o in lines(api, f"?job_id={first}")] == [0, 1]
    assert [o["seq"] for o in lines(api, "?reviewer=ben")] == [1]
    assert len(lines(api, "?since=2021-01-01T00:00:00Z")) == 2
    assert lines(api, "?since=2999-01-01") == []
    problem(api.get(f"/v1/reviews/export?job_id=job_{'0' * 32}"), 404, "not_found")
    problem(api.get("/v1/reviews/export?format=csv"), 422, "invalid_request")


def test_pages_are_followed_to_the_end(
    api: httpx.Client, worker: FakeWorker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, and although jobs between them have gone."""
    monkeypatch.setattr("api.routes.corrections.LINES", 2)
    jobs = [f"/v1/jobs/{submitted(api, *(f'{n}.png' for n in range(3)))['id']}" for _ in range(3)]
    worker.work()
    for job in jobs:
        items = [{"seq": n, "value": "1"} for n in range(3)]
        assert api.post(f"{job}/reviews", json={"reviewer": "anna", "items": items}).status_code == 200
    assert api.delete(jobs[1]).status_code == 204
    found = [(o["job_id"], o["seq"]) for o in lines(api)]
    assert found == [(job.rsplit("/", 1)[1], n) for job in (jobs[0], jobs[2]) for n in range(3)]


def test_the_zip_holds_pictures_with_labels(api: httpx.Client, drainer: Drainer) -> None:
    """Each is what the model saw, in the folder of its label, and a table tells where it comes from."""
    job = read(api, drainer, {**sample_digits(6), "=cmd.png": sample_digits(1).popitem()[1]})
    items = [{"seq": n, "value": str(n)} for n in range(5)]
    items += [{"seq": 5, "value": None, "reason": "not_a_digit"}, {"seq": 6, "value": "7"}]
    assert api.post(f"{job}/reviews", json={"reviewer": "anna", "items": items}).status_code == 200
    with drawing(drainer):
        sheet = pixels(api.get(f"{job}/sheets/0"))
        answer = api.get("/v1/reviews/export?format=zip")
        again = api.get("/v1/reviews/export?format=zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="reviews.zip"'
    assert again.content == answer.content
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    rows = list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode())))
    assert [r["label"] for r in rows] == ["0", "1", "2", "3", "4", "", "7"]
    assert (rows[5]["reason"], rows[6]["name"], rows[0]["reviewers"]) == ("not_a_digit", "'=cmd.png", "anna")
    assert rows[5]["file"].startswith("crops/none/")
    for n, row in enumerate(rows):
        picture = np.asarray(Image.open(io.BytesIO(archive.read(row["file"]))))
        assert np.array_equal(picture, cell(sheet, n))
    assert len(archive.namelist()) == 8


def test_what_has_no_picture_is_only_in_lines(api: httpx.Client, drainer: Drainer) -> None:
    """A person may know what a broken file says; there is nothing to train on."""
    job = read(api, drainer, {**sample_digits(1), "broken.png": b"\x89PNG\r\n\x1a\nnothing"})
    say(api, job, 1, "anna", "4")
    with drawing(drainer):
        archive = zipfile.ZipFile(io.BytesIO(api.get("/v1/reviews/export?format=zip").content))
    assert archive.namelist() == ["labels.csv"]
    assert len(lines(api)) == 1


def test_nothing_is_an_empty_export(common: httpx.Client) -> None:
    """A tenant without reviews gets files that can be opened."""
    query = "?reviewer=nobody"
    assert lines(common, query) == []
    answer = common.get(f"/v1/reviews/export{query}&format=zip")
    assert zipfile.ZipFile(io.BytesIO(answer.content)).namelist() == ["labels.csv"]


def test_a_tenant_exports_the_own(settings: Settings, database: Database, blobs: Blobs) -> None:
    """Reviews of others are not there, whatever is asked for."""
    a, b = bearer(key_for(database, "a")), bearer(key_for(database, "b"))
    with serving(settings) as api:
        api.headers.update(a)
        job = f"/v1/jobs/{submitted(api, 'a.png')['id']}"
        FakeWorker(database, blobs).work()
        say(api, job, 0, "anna", "1")
        assert len(lines(api)) == 1
        assert lines(api, headers=b) == lines(api, "?reviewer=anna", headers=b) == []
        query = f"?job_id={job.rsplit('/', 1)[1]}"
        problem(api.get(f"/v1/reviews/export{query}", headers=b), 404, "not_found")


def test_a_large_zip_is_a_zip64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past 65,534 members any reader still finds all of them."""
    with ZipStream() as stream:
        data = b"".join([*(stream.member(f"{n}.txt", b"%d" % n) for n in range(70_000)), *stream.end()])
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert len(archive.namelist()) == 70_000
    assert archive.read("69999.txt") == b"69999"
