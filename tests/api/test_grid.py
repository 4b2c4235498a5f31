"""The grid: every finished item in a few bytes."""

from __future__ import annotations

import json
import struct
from typing import Any

import httpx
import numpy as np

from shared.db import Database
from shared.status import Lane
from tests.api.files import problem, submitted
from tests.fakes import FakeWorker
from tests.queue_driver import execute


def opened(answer: httpx.Response) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Read a grid as its description says."""
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    magic, length = struct.unpack_from("<4sI", answer.content)
    assert magic == b"IKG1"
    assert (8 + length) % 8 == 0
    head = json.loads(answer.content[8 : 8 + length])
    body, columns = answer.content[8 + length :], {}
    for column in head["columns"]:
        kind = np.dtype(f"<{column['type']}")
        columns[column["name"]] = np.frombuffer(body, kind, head["count"], column["offset"]).tolist()
    assert len(body) == sum(np.dtype(c["type"]).itemsize for c in head["columns"]) * head["count"]
    return head, columns


def test_every_item_has_its_place(api: httpx.Client, worker: FakeWorker) -> None:
    """Labels, confidences and flags are those of the results."""
    job = submitted(api, "a.png", "doubt.png", "bad.png", "notes.txt")
    worker.work()
    head, columns = opened(api.get(f"/v1/jobs/{job['id']}/grid"))
    assert (head["count"], head["total"], head["complete"]) == (4, 4, True)
    assert head["labels"] == [str(n) for n in range(10)]
    assert columns["label"] == columns["final"] == [7, 7, 255, 255]
    assert columns["flags"] == [0, 8, 1, 2]
    assert [round(c / 65535, 4) for c in columns["confidence"]] == [0.9981, 0.5, 0, 0]


def test_reviews_show(api: httpx.Client, worker: FakeWorker) -> None:
    """What was corrected, agreed and disputed is told by flags and the final value."""
    job = f"/v1/jobs/{submitted(api, *(f'{n}.png' for n in range(5)))['id']}"
    worker.work()
    for seq, who, value in ((1, "anna", "7"), (2, "anna", "3"), (3, "anna", "3"), (3, "ben", "4")):
        api.put(f"{job}/items/{seq}/reviews/{who}", json={"value": value})
    api.put(f"{job}/items/4/reviews/anna", json={"value": None, "reason": "blank"})
    _, columns = opened(api.get(f"{job}/grid"))
    assert columns["label"] == [7] * 5
    assert columns["final"] == [7, 7, 3, 7, 255]
    assert columns["flags"] == [0, 16, 16 + 64, 16 + 32, 16 + 64]
    items = api.get(f"{job}/results").json()["items"]
    names = [None if final == 255 else str(final) for final in columns["final"]]
    assert [i["final_value"] for i in items] == names


def test_a_running_job_gives_its_beginning(api: httpx.Client, worker: FakeWorker, database: Database) -> None:
    """Only what is finished without a gap is there; an empty beginning is an empty grid."""
    job = submitted(api, *(f"{n}.png" for n in range(1500)))
    path = f"/v1/jobs/{job['id']}/grid"
    assert opened(api.get(path))[0] | {"columns": 0, "version": 0} == {
        "count": 0, "total": 1500, "complete": False, "labels": [str(n) for n in range(10)], "columns": 0, "version": 0,
    }  # fmt: skip
    first = worker.take(Lane.BULK)
    worker.finish(first)
    head, columns = opened(api.get(path))
    assert (head["count"], head["complete"]) == (first[0].end_seq, False)
    assert len(columns["flags"]) == first[0].end_seq < 1500


def test_an_unchanged_grid_is_not_sent_again(api: httpx.Client, worker: FakeWorker) -> None:
    """The tag holds until something is reviewed."""
    job = f"/v1/jobs/{submitted(api, 'a.png')['id']}"
    worker.work()
    tag = api.get(f"{job}/grid").headers["etag"]
    again = api.get(f"{job}/grid", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    api.put(f"{job}/items/0/reviews/anna", json={"value": "1"})
    assert api.get(f"{job}/grid", headers={"If-None-Match": tag}).status_code == 200


def test_a_grid_is_packed_where_that_is_wanted(api: httpx.Client, worker: FakeWorker) -> None:
    """The same bytes either way."""
    job = f"/v1/jobs/{submitted(api, *(f'{n}.png' for n in range(50)))['id']}"
    worker.work()
    packed = api.get(f"{job}/grid", headers={"Accept-Encoding": "gzip"})
    plain = api.get(f"{job}/grid", headers={"Accept-Encoding": "gzip;q=0"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content


def test_labels_of_a_model_that_is_gone(api: httpx.Client, worker: FakeWorker, database: Database) -> None:
    """Without its card the labels are those that occur; nothing can be reviewed then."""
    job = f"/v1/jobs/{submitted(api, 'a.png')['id']}"
    worker.work()
    execute(database, "UPDATE jobs SET model_name = 'letters', model_version = '9.9.9'")
    head, columns = opened(api.get(f"{job}/grid"))
    assert (head["labels"], columns["label"]) == (["7"], [0])
    problem(api.put(f"{job}/items/0/reviews/anna", json={"value": "7"}), 422, "unknown_model")


def test_a_grid_that_has_expired_is_gone(api: httpx.Client, worker: FakeWorker, database: Database) -> None:
    """As the results are."""
    job = f"/v1/jobs/{submitted(api, 'a.png')['id']}"
    worker.work()
    execute(database, "UPDATE jobs SET results_expire_at = clock_timestamp()")
    for path in ("grid", "sheets/0", "sheets?seqs=0", "reviews"):
        problem(api.get(f"{job}/{path}"), 410, "gone")
